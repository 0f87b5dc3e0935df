-- Welke partij met welke versie van een definitie heeft ingestemd.
-- key: indicator_id, major_version, version, party_id
-- columns:
--   indicator_id   VARCHAR  not null  Welke indicator.
--   major_version  INTEGER  not null  Hoofdversie van de definitie.
--   version        VARCHAR  not null  Versie waarmee is ingestemd.
--   party_id       VARCHAR  not null  Welke partij heeft ingestemd.
--   date           DATE     not null  Datum van de instemming.
SELECT indicator_id, major_version, version, party_id, date
FROM input.approvals
