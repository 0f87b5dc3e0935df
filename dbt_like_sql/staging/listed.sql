-- Voor welke regio's en perioden een CBS-tabel een cijfer kan hebben. Van een opname telt alleen wat erin staat: wat er niet in staat, zegt niets over CBS.
-- key: table_id, region_code, period
-- columns:
--   table_id      VARCHAR   not null  Dit is het nummer van de CBS-tabel.
--   region_code   VARCHAR   not null  Dit is de code van de regio.
--   region_level  VARCHAR   not null  Dit is het soort regio.
--   region_year   SMALLINT  not null  Dit is het jaar van de gemeentelijke indeling.
--   period        VARCHAR   not null  Dit is de periode zoals CBS die schrijft.
--   period_type   VARCHAR   not null  Dit is het soort periode.
--   year          SMALLINT  not null  Dit is het jaar van de periode.
--   status        VARCHAR   not null  Dit is de status van de periode.
SELECT
    r.table_id,
    r.region_code,
    r.region_level,
    coalesce(r.map_year, p.year)::SMALLINT AS region_year,
    p.period,
    p.period_type,
    p.year,
    p.status
FROM input.table_regions AS r
JOIN input.table_periods AS p ON p.table_id = r.table_id
JOIN input.tables AS b ON b.table_id = r.table_id
WHERE NOT b.partial
    OR EXISTS (
        SELECT 1
        FROM input.observations AS o
        WHERE o.table_id = r.table_id
            AND o.region_code = r.region_code
            AND o.period = p.period
    )
