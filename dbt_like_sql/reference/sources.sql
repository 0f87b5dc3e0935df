-- De bronnen: elke CBS-tabel die de monitor gebruikt, met de versie en de naamsvermelding die de licentie vraagt.
-- key: table_id
-- columns:
--   table_id      VARCHAR    not null  Nummer van de tabel bij CBS.
--   title         VARCHAR              Titel van de tabel.
--   publisher     VARCHAR    not null  Uitgever; noem deze als bron.
--   license       VARCHAR    not null  Licentie van de cijfers.
--   page          VARCHAR    not null  Pagina van de tabel in StatLine.
--   modified      VARCHAR              Wanneer CBS de tabel voor het laatst wijzigde.
--   snapshot      VARCHAR              Momentopname die de monitor gebruikt.
--   retrieved_at  TIMESTAMP            Wanneer de monitor die momentopname ophaalde (UTC).
--   observations  BIGINT     not null  Aantal waarnemingen in de momentopname.
SELECT
    b.table_id,
    b.title,
    b.publisher,
    b.license,
    b.page,
    b.modified,
    b.snapshot,
    b.retrieved_at,
    coalesce(sum(s.observations), 0)::BIGINT AS observations
FROM input.tables AS b
LEFT JOIN staging.topics AS s ON s.table_id = b.table_id
GROUP BY ALL
