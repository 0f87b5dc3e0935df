-- De partijen die samen over de definities gaan.
-- key: party_id
-- columns:
--   party_id  VARCHAR  not null  Welke partij.
--   name      VARCHAR  not null  Naam.
--   side      VARCHAR  not null  in (national, municipal)  Kant: Rijk of gemeenten.
--   url       VARCHAR            Website.
SELECT party_id, name, side, url
FROM input.parties
