-- Per onderwerp in een CBS-tabel: hoeveel waarnemingen er zijn en hoeveel daarvan een waarde hebben.
-- key: table_id, topic
-- columns:
--   table_id      VARCHAR  not null  CBS-tabel.
--   topic         VARCHAR  not null  Onderwerp, zoals CBS het in de tabel noemt.
--   observations  BIGINT   not null  Aantal waarnemingen.
--   with_value    BIGINT   not null  Aantal waarnemingen met een waarde; bij 0 is het onderwerp gereserveerd en nog leeg.
SELECT
    table_id,
    topic,
    count(*) AS observations,
    count(value) AS with_value
FROM input.observations
GROUP BY table_id, topic
