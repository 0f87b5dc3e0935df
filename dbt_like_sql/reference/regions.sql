-- De regio's in de cijfers: code, soort, naam, en voor gemeenten in welke jaren ze op 1 januari bestonden.
-- key: region_code
-- columns:
--   region_code      VARCHAR   not null  Code van de regio; Nederland is altijd NL01.
--   region_level     VARCHAR   not null  Soort regio: land, provincie, gemeente, wijk, buurt.
--   name             VARCHAR   not null  Naam, uit de nieuwste tabel die de regio noemt.
--   municipality     VARCHAR             Gemeente waar een wijk of buurt in ligt.
--   first_known_year SMALLINT            Eerste jaar waarvan bekend is dat de regio bestond.
--   last_known_year  SMALLINT            Laatste jaar waarvan bekend is dat de regio bestond.
SELECT
    r.region_code,
    r.region_level,
    r.name,
    CASE WHEN r.region_level IN ('district', 'neighbourhood')
        THEN 'GM' || substr(r.region_code, 3, 4)
    END AS municipality,
    y.first_known_year,
    y.last_known_year
FROM input.regions AS r
LEFT JOIN (
    SELECT region_code, min(year) AS first_known_year, max(year) AS last_known_year
    FROM input.region_years
    WHERE valid
    GROUP BY region_code
) AS y ON y.region_code = r.region_code
