-- De definities: wat elke indicator meet, waarom, hoe, en wie er samen over gaat.
-- key: indicator_id, major_version
-- columns:
--   indicator_id      VARCHAR  not null  Welke indicator.
--   major_version     INTEGER  not null  Hoofdversie: een andere betekent andere cijfers.
--   version           VARCHAR  not null  Volledige versie.
--   status            VARCHAR  not null  in (proposal, trial, established, withdrawn)  Voorstel, proef, vastgesteld of ingetrokken.
--   title             VARCHAR  not null  Titel.
--   theme_id          VARCHAR  not null  Thema: een uitkomst voor inwoners.
--   kind              VARCHAR  not null  in (effect, use, means, context)  Soort: effect, gebruik, middel of context.
--   question          VARCHAR  not null  Welke vraag het cijfer helpt beantwoorden.
--   purpose           VARCHAR  not null  Waar het antwoord voor wordt gebruikt.
--   national_needed   BOOLEAN  not null  Of een landelijk beeld nodig is.
--   national_reason   VARCHAR  not null  Waarom wel of niet.
--   direction         VARCHAR  not null  Of hoger of lager beter is; neutral als daar geen overeenstemming over is.
--   policy_freedom    VARCHAR  not null  Hoeveel verschil tussen gemeenten de bedoeling is.
--   source_type       VARCHAR  not null  Soort bron: registratie, enquête of model.
--   measure_kind      VARCHAR  not null  in (published, count, ratio)  Cijfer van CBS, telling of verhouding.
--   formula           VARCHAR  not null  Hoe het cijfer wordt gemaakt, in woorden.
--   unit              VARCHAR  not null  Eenheid.
--   decimals          TINYINT  not null  Aantal decimalen.
--   levels            VARCHAR  not null  Voor welke soorten regio's.
--   period_types      VARCHAR  not null  Voor welke soorten perioden.
--   valid_from        SMALLINT not null  Eerste jaar.
--   valid_until       SMALLINT           Laatste jaar; leeg als de definitie doorloopt.
--   reclassification  VARCHAR  not null  Of cijfers naar een nieuwe gemeentelijke indeling mogen worden opgeteld.
--   laws              VARCHAR            Wetten die ermee te maken hebben.
--   breaks            VARCHAR            Breuken in de reeks.
--   not_for           VARCHAR            Waar het cijfer niet voor gebruikt mag worden.
--   notes             VARCHAR            Wat een lezer moet weten.
--   contact           VARCHAR  not null  Aanspreekpunt.
--   national_owners   VARCHAR  not null  Eigenaars namens het Rijk.
--   municipal_owners  VARCHAR  not null  Eigenaars namens gemeenten.
--   review_every      VARCHAR  not null  Hoe vaak de definitie opnieuw wordt besproken.
--   review_last       DATE     not null  Wanneer dat voor het laatst is gedaan.
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
