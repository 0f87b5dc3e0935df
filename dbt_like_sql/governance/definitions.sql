-- De definities: wat elke indicator meet, waarom, hoe, en wie er samen over gaan.
-- key: indicator_id, major_version
-- columns:
--   indicator_id      VARCHAR  not null  Welke indicator.
--   major_version     INTEGER  not null  Hoofdversie: een andere betekent andere cijfers.
--   version           VARCHAR  not null  Volledige versie.
--   status            VARCHAR  not null  in (proposal, trial, established, withdrawn)  Voorstel, proef, vastgesteld of ingetrokken.
--   title             VARCHAR  not null  Titel.
--   theme_id          VARCHAR  not null  Thema: een uitkomst voor inwoners.
--   kind              VARCHAR  not null  in (effect, use, means, context)  Soort: effect, gebruik, middel of achtergrond.
--   question          VARCHAR  not null  Welke vraag het cijfer helpt beantwoorden.
--   purpose           VARCHAR  not null  Waar we het antwoord voor gebruiken.
--   national_needed   BOOLEAN  not null  Of een landelijk beeld nodig is.
--   national_reason   VARCHAR  not null  Waarom een landelijk beeld wel of niet nodig is.
--   direction         VARCHAR  not null  Of hoger of lager beter is; neutral als niet iedereen het daarover eens is.
--   policy_freedom    VARCHAR  not null  Hoeveel verschil tussen gemeenten de bedoeling is.
--   source_type       VARCHAR  not null  Soort bron: registratie, enquête of model.
--   measure_kind      VARCHAR  not null  in (published, count, ratio)  Cijfer van CBS, telling of verhouding.
--   formula           VARCHAR  not null  Hoe de monitor het cijfer maakt, in woorden.
--   unit              VARCHAR  not null  Eenheid.
--   decimals          TINYINT  not null  Aantal decimalen.
--   levels            VARCHAR  not null  Voor welke soorten regio's.
--   period_types      VARCHAR  not null  Voor welke soorten perioden.
--   valid_from        SMALLINT not null  Eerste jaar dat de monitor laat zien.
--   valid_until       SMALLINT           Laatste jaar; leeg als de definitie doorloopt.
--   reclassification  VARCHAR  not null  Of u cijfers bij een herindeling mag optellen tot een nieuwe gemeente: sum (ja) of never (nee).
--   laws              VARCHAR            Wetten waar de indicator mee te maken heeft.
--   breaks            VARCHAR            Breuken: vanaf welk jaar cijfers niet goed te vergelijken zijn met eerdere jaren, en waarom.
--   not_for           VARCHAR            Waarvoor u het cijfer niet mag gebruiken.
--   notes             VARCHAR            Wat een lezer moet weten.
--   contact           VARCHAR  not null  Aanspreekpunt.
--   national_owners   VARCHAR  not null  Eigenaars namens het Rijk.
--   municipal_owners  VARCHAR  not null  Eigenaars namens gemeenten.
--   review_every      VARCHAR  not null  Hoe vaak partijen de definitie opnieuw bespreken.
--   review_last       DATE     not null  Wanneer partijen de definitie voor het laatst bespraken.
--   file              VARCHAR  not null  Bestand in de map definitions.
SELECT
    indicator_id,
    major_version,
    version,
    status,
    title,
    theme_id,
    kind,
    question,
    purpose,
    national_needed,
    national_reason,
    direction,
    policy_freedom,
    source_type,
    measure_kind,
    formula,
    unit,
    decimals,
    levels,
    period_types,
    valid_from,
    valid_until,
    reclassification,
    laws,
    breaks,
    not_for,
    notes,
    contact,
    national_owners,
    municipal_owners,
    review_every,
    review_last,
    file
FROM input.indicators
