-- Alle cijfers met titels en namen erbij; het gepubliceerde bestand heeft één tabel per thema.
-- key: theme_id, kind_order, indicator_id, major_version, breakdown, region_code, region_year, period
-- columns:
--   theme_id            VARCHAR   not null  Thema: een uitkomst voor inwoners.
--   kind_order          TINYINT   not null  Volgorde: 1 effect, 2 gebruik, 3 middel, 4 achtergrond.
--   indicator_id        VARCHAR   not null  Welke indicator.
--   indicator_title     VARCHAR   not null  Titel van de indicator.
--   kind                VARCHAR   not null  in (effect, use, means, context)  Soort: effect, gebruik, middel of achtergrond.
--   major_version       INTEGER   not null  Hoofdversie van de definitie.
--   definition_version  VARCHAR   not null  Volledige versie van de definitie.
--   definition_status   VARCHAR   not null  in (proposal, trial, established, withdrawn)  Status van de definitie: voorstel, proef, vastgesteld of ingetrokken.
--   breakdown           VARCHAR   not null  Uitsplitsing; totaal als er geen is.
--   region_code         VARCHAR   not null  Code van de regio; Nederland is altijd NL01.
--   region_name         VARCHAR   not null  Naam van de regio.
--   region_level        VARCHAR   not null  Soort regio: land, provincie, gemeente, wijk, buurt.
--   region_year         SMALLINT  not null  Jaar van de gemeentelijke indeling (1 januari).
--   period              VARCHAR   not null  Periode zoals CBS die schrijft, bijvoorbeeld 2020JJ00.
--   period_type         VARCHAR   not null  Soort periode: jaar, halfjaar en zo verder.
--   year                SMALLINT  not null  Jaar waar het cijfer over gaat.
--   value               DOUBLE              Het cijfer; leeg als missing_reason gevuld is.
--   unit                VARCHAR   not null  Eenheid van het cijfer.
--   numerator           DOUBLE              Teller van een verhouding.
--   denominator         DOUBLE              Noemer van een verhouding.
--   value_low           DOUBLE              Ondergrens door afronding bij de bron (nog leeg).
--   value_high          DOUBLE              Bovengrens door afronding bij de bron (nog leeg).
--   status              VARCHAR   not null  in (definitive, revised_provisional, provisional, unknown)  Status van het cijfer: definitief, nader voorlopig, voorlopig of onbekend; van een berekend cijfer de minst zekere status van de delen.
--   missing_reason      VARCHAR             in (unknown_or_confidential, not_published, impossible, part_missing, table_unavailable, national_picture_not_wanted)  Waarom er geen cijfer is.
--   missing_reason_nl   VARCHAR             De reden in woorden.
--   source_mark         VARCHAR             Het teken dat CBS zette waar een waarde ontbreekt.
--   source_type         VARCHAR   not null  in (register, survey, model)  Soort bron: registratie, enquête of model.
--   recalculated        VARCHAR             Hoe het cijfer naar een andere indeling is omgerekend (nog leeg).
--   correction_id       VARCHAR             Welke correcties van een bekende fout bij CBS in dit cijfer zitten; zie governance.corrections.
--   source_tables       VARCHAR   not null  CBS-tabellen waar het cijfer uit komt.
--   source_snapshots    VARCHAR             Momentopnamen van die tabellen: tabel@momentopname.
--   retrieved_at        TIMESTAMP           Wanneer de monitor de oudste van die momentopnamen ophaalde (UTC).
SELECT
    i.theme_id,
    i.kind_order,
    c.indicator_id,
    i.title AS indicator_title,
    i.kind,
    c.major_version,
    c.definition_version,
    i.status AS definition_status,
    c.breakdown,
    c.region_code,
    r.name AS region_name,
    c.region_level,
    c.region_year,
    c.period,
    c.period_type,
    c.year,
    c.value,
    c.unit,
    c.numerator,
    c.denominator,
    c.value_low,
    c.value_high,
    c.status,
    c.missing_reason,
    CASE c.missing_reason
        WHEN 'unknown_or_confidential' THEN 'Onbekend bij CBS, of te klein om te tonen.'
        WHEN 'not_published' THEN CASE
            WHEN c.correction_id IS NULL THEN 'CBS heeft dit cijfer (nog) niet gepubliceerd.'
            ELSE 'CBS heeft dit cijfer niet gepubliceerd, of een correctie liet het weg (zie correction_id).'
        END
        WHEN 'impossible' THEN 'Dit cijfer kan niet bestaan: de regio bestond toen niet, of de noemer is nul.'
        WHEN 'part_missing' THEN 'Een deel dat voor de berekening nodig is, ontbreekt.'
        WHEN 'table_unavailable' THEN 'De CBS-tabel, of het onderwerp daarin, was in deze bron niet beschikbaar.'
        WHEN 'national_picture_not_wanted' THEN 'Volgens de definitie is hier geen landelijk beeld nodig.'
    END AS missing_reason_nl,
    c.source_mark,
    c.source_type,
    c.recalculated,
    c.correction_id,
    c.source_tables,
    c.source_snapshots,
    c.retrieved_at
FROM core.cells AS c
JOIN input.indicators AS i
    ON i.indicator_id = c.indicator_id AND i.major_version = c.major_version
JOIN reference.regions AS r ON r.region_code = c.region_code
