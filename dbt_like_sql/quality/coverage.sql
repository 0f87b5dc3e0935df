-- Hoe volledig de cijfers zijn: per indicator, soort regio en periode hoeveel regio's een cijfer hebben, en waarom andere niet.
-- key: indicator_id, major_version, breakdown, region_level, period
-- columns:
--   indicator_id                 VARCHAR  not null  Welke indicator.
--   major_version                INTEGER  not null  Hoofdversie van de definitie.
--   breakdown                    VARCHAR  not null  Uitsplitsing; totaal als er geen is.
--   region_level                 VARCHAR  not null  Soort regio.
--   period                       VARCHAR  not null  Periode.
--   regions                      BIGINT   not null  Aantal regio's.
--   with_value                   BIGINT   not null  Aantal regio's met een cijfer.
--   unknown_or_confidential      BIGINT   not null  Aantal regio's zonder cijfer: onbekend bij CBS, of te klein om te tonen.
--   not_published                BIGINT   not null  Aantal regio's zonder cijfer: CBS heeft het (nog) niet gepubliceerd.
--   impossible                   BIGINT   not null  Aantal regio's zonder cijfer: de regio bestond toen niet, of de noemer is nul.
--   part_missing                 BIGINT   not null  Aantal regio's zonder cijfer: een deel dat voor de berekening nodig is, ontbreekt.
--   table_unavailable            BIGINT   not null  Aantal regio's zonder cijfer: de CBS-tabel was niet beschikbaar.
--   national_picture_not_wanted  BIGINT   not null  Aantal regio's zonder cijfer: volgens de definitie is geen landelijk beeld nodig.
SELECT
    indicator_id,
    major_version,
    breakdown,
    region_level,
    period,
    count(*) AS regions,
    count(value) AS with_value,
    count(*) FILTER (missing_reason = 'unknown_or_confidential') AS unknown_or_confidential,
    count(*) FILTER (missing_reason = 'not_published') AS not_published,
    count(*) FILTER (missing_reason = 'impossible') AS impossible,
    count(*) FILTER (missing_reason = 'part_missing') AS part_missing,
    count(*) FILTER (missing_reason = 'table_unavailable') AS table_unavailable,
    count(*) FILTER (missing_reason = 'national_picture_not_wanted') AS national_picture_not_wanted
FROM core.cells
GROUP BY ALL
