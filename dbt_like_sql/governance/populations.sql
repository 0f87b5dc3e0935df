-- De noemers: waar we een aantal door delen, zoals alle inwoners.
-- key: population_id, major_version
-- columns:
--   population_id    VARCHAR  not null  Welke noemer.
--   major_version    INTEGER  not null  Hoofdversie.
--   version          VARCHAR  not null  Volledige versie.
--   title            VARCHAR  not null  Titel.
--   description      VARCHAR  not null  Uitleg.
--   unit             VARCHAR  not null  Eenheid.
--   reference_date   VARCHAR  not null  Peilmoment.
--   formula          VARCHAR  not null  Hoe de monitor de noemer maakt, in woorden.
--   contact          VARCHAR  not null  Aanspreekpunt.
--   national_owners  VARCHAR  not null  Eigenaars namens het Rijk.
--   municipal_owners VARCHAR  not null  Eigenaars namens gemeenten.
SELECT
    population_id,
    major_version,
    version,
    title,
    description,
    unit,
    reference_date,
    formula,
    contact,
    national_owners,
    municipal_owners
FROM input.populations
