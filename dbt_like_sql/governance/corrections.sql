-- Bekende fouten in cijfers van CBS: per correctie en cel wat er fout is, wie het meldde en wat de monitor ermee doet.
-- key: correction_id, region_code, period
-- columns:
--   correction_id  VARCHAR  not null  Welke correctie; dit staat ook bij elk cijfer waar de correctie in zit.
--   table_id       VARCHAR  not null  Nummer van de tabel bij CBS.
--   topic          VARCHAR  not null  Onderwerp in die tabel.
--   members        VARCHAR  not null  Keuze uit de andere dimensies van de tabel; een lege tekst als er geen zijn.
--   region_code    VARCHAR  not null  Code van de regio; Nederland is altijd NL01.
--   period         VARCHAR  not null  Periode zoals CBS die schrijft, bijvoorbeeld 2020JJ00.
--   action         VARCHAR  not null  in (drop, replace, flag)  Wat de monitor met het cijfer doet: weglaten, vervangen of laten staan met een verwijzing.
--   expect         DOUBLE             Het foute cijfer dat CBS publiceert; leeg als CBS geen cijfer geeft.
--   value          DOUBLE             Het cijfer dat de monitor ervoor in de plaats zet (bij replace).
--   applied        BOOLEAN  not null  Of de monitor de correctie op deze cel toepast.
--   not_applied    VARCHAR            Waarom de monitor de correctie niet toepast.
--   status         VARCHAR  not null  in (open, reported, acknowledged, fixed_upstream)  Nog niet gemeld, gemeld, erkend door CBS of hersteld door CBS.
--   reason         VARCHAR  not null  Wat er fout is.
--   party_id       VARCHAR            Welke partij de fout meldde.
--   reported_on    DATE               Datum van de melding.
--   reported_to    VARCHAR            Aan wie de fout is gemeld.
--   url            VARCHAR            Waar de melding staat.
--   file           VARCHAR  not null  Bestand in de map definitions.
SELECT
    correction_id,
    table_id,
    topic_name AS topic,
    members,
    region_code,
    period,
    action,
    expect::DOUBLE AS expect,
    value::DOUBLE AS value,
    applied,
    not_applied,
    status,
    reason,
    party_id,
    reported_on,
    reported_to,
    url,
    file
FROM input.corrections
