-- Wat er in welke versie van een definitie veranderde, waarom, en door wie.
-- key: indicator_id, major_version, change_no
-- columns:
--   indicator_id   VARCHAR  not null  Welke indicator.
--   major_version  INTEGER  not null  Hoofdversie van de definitie.
--   change_no      INTEGER  not null  Volgnummer in het bestand.
--   version        VARCHAR  not null  Versie waarin het veranderde.
--   date           DATE     not null  Datum.
--   what           VARCHAR  not null  Wat er veranderde.
--   why            VARCHAR  not null  Waarom.
--   party_id       VARCHAR  not null  Door wie.
SELECT indicator_id, major_version, change_no, version, date, what, why, party_id
FROM input.changes
