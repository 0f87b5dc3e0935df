-- Wat er in welke versie van een definitie veranderde, waarom en door wie.
-- key: indicator_id, major_version, change_no
-- columns:
--   indicator_id   VARCHAR  not null  Welke indicator.
--   major_version  INTEGER  not null  Hoofdversie van de definitie.
--   change_no      INTEGER  not null  Volgnummer van de wijziging in het bestand.
--   version        VARCHAR  not null  Versie met deze wijziging.
--   date           DATE     not null  Datum van de wijziging.
--   what           VARCHAR  not null  Wat er veranderde.
--   why            VARCHAR  not null  Waarom het veranderde.
--   party_id       VARCHAR  not null  Partij die de wijziging deed.
SELECT indicator_id, major_version, change_no, version, date, what, why, party_id
FROM input.changes
