-- De cijfers: per indicator, regio en periode een waarde of de reden waarom die er niet is.
-- key: indicator_id, major_version, breakdown, region_code, region_year, period
-- columns:
--   indicator_id        VARCHAR   not null  Welke indicator.
--   major_version       INTEGER   not null  Hoofdversie van de definitie.
--   breakdown           VARCHAR   not null  Uitsplitsing; totaal als er geen is.
--   region_code         VARCHAR   not null  Code van de regio; Nederland is altijd NL01.
--   region_year         SMALLINT  not null  Jaar van de gemeentelijke indeling (1 januari).
--   period              VARCHAR   not null  Periode zoals CBS die schrijft, bijvoorbeeld 2020JJ00.
--   definition_version  VARCHAR   not null  Volledige versie van de definitie.
--   region_level        VARCHAR   not null  Soort regio: land, provincie, gemeente, wijk, buurt.
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
--   source_mark         VARCHAR             Het teken dat CBS zette waar een waarde ontbreekt.
--   source_type         VARCHAR   not null  in (register, survey, model)  Soort bron: registratie, enquête of model.
--   recalculated        VARCHAR             Hoe het cijfer naar een andere indeling is omgerekend (nog leeg).
--   correction_id       VARCHAR             Welke correcties van een bekende fout bij CBS in dit cijfer zitten; zie governance.corrections.
--   source_tables       VARCHAR   not null  CBS-tabellen waar het cijfer uit komt.
--   source_snapshots    VARCHAR             Momentopnamen van die tabellen: tabel@momentopname.
--   retrieved_at        TIMESTAMP           Wanneer de monitor de oudste van die momentopnamen ophaalde (UTC).
WITH
-- Every observation that a term names, added up a cell. `part` is numerator or denominator.
observed AS (
    SELECT
        t.indicator_no,
        o.region_code,
        o.period,
        sum(o.value * t.factor) FILTER (t.part = 'numerator') AS numerator,
        count(o.value) FILTER (t.part = 'numerator') AS numerator_parts,
        sum(o.value * t.factor) FILTER (t.part = 'denominator') AS denominator,
        count(o.value) FILTER (t.part = 'denominator') AS denominator_parts,
        max(o.source_mark) AS source_mark,
        bool_or(o.source_mark = '.' AND s.with_value > 0) AS confidential,
        max(CASE o.status
            WHEN 'definitive' THEN 1
            WHEN 'revised_provisional' THEN 2
            WHEN 'provisional' THEN 3
            ELSE 4
        END) AS status_rank
    FROM input.terms AS t
    JOIN staging.topics AS s ON s.table_id = t.table_id AND s.topic = t.topic
    JOIN input.observations AS o
        ON o.table_id = t.table_id
        AND o.topic = t.topic
        AND o.members = t.members
        AND o.year BETWEEN t.year_from AND t.year_until
    GROUP BY t.indicator_no, o.region_code, o.period
),
-- What corrections change, for the few cells that they touch: how much is added to a part and to the
-- number of its terms that have a value. A dropped value counts as missing, as if CBS had not
-- published it; a replaced one keeps CBS's status. `expect` is CBS's figure: should it be another
-- (tables made apart from the definitions), the correction does nothing.
corrected AS (
    SELECT
        t.indicator_no,
        k.region_code,
        k.period,
        sum(k.added * t.factor) FILTER (t.part = 'numerator') AS numerator,
        sum(k.parts) FILTER (t.part = 'numerator') AS numerator_parts,
        sum(k.added * t.factor) FILTER (t.part = 'denominator') AS denominator,
        sum(k.parts) FILTER (t.part = 'denominator') AS denominator_parts,
        string_agg(DISTINCT k.correction_id, ', ' ORDER BY k.correction_id) AS correction_id
    FROM (
        SELECT
            *,
            CASE action
                WHEN 'drop' THEN -coalesce(expect, 0)
                WHEN 'replace' THEN value - coalesce(expect, 0)
                ELSE 0
            END AS added,
            CASE
                WHEN action = 'drop' AND expect IS NOT NULL THEN -1
                WHEN action = 'replace' AND expect IS NULL THEN 1
                ELSE 0
            END AS parts
        FROM input.corrections
        WHERE applied
    ) AS k
    JOIN input.terms AS t
        ON t.table_id = k.table_id
        AND t.topic = k.topic
        AND t.members = k.members
        AND k.year BETWEEN t.year_from AND t.year_until
    JOIN input.observations AS o
        ON o.table_id = k.table_id
        AND o.topic = k.topic
        AND o.members = k.members
        AND o.region_code = k.region_code
        AND o.period = k.period
        AND o.value IS NOT DISTINCT FROM k.expect
    GROUP BY t.indicator_no, k.region_code, k.period
),
-- The cells there should be: what the table of the first term lists, at the definition's levels.
expected AS (
    SELECT
        t.indicator_no,
        c.region_code,
        c.region_level,
        c.region_year,
        c.period,
        c.period_type,
        c.year,
        c.status
    FROM input.terms AS t
    JOIN staging.listed AS c ON c.table_id = t.table_id
    JOIN input.measure_levels AS l
        ON l.indicator_no = t.indicator_no AND l.region_level = c.region_level
    JOIN input.measure_period_types AS pt
        ON pt.indicator_no = t.indicator_no AND pt.period_type = c.period_type
    WHERE t.term_no = 0
        AND t.topic IS NOT NULL
        AND c.year BETWEEN t.year_from AND t.year_until
),
-- How CBS spells the periods of a year.
spelled AS (
    SELECT period_type, unnest(codes) AS code
    FROM (VALUES
        ('year', ['JJ00']),
        ('half_year', ['HJ01', 'HJ02']),
        ('quarter', ['KW01', 'KW02', 'KW03', 'KW04']),
        ('month', ['MM01', 'MM02', 'MM03', 'MM04', 'MM05', 'MM06', 'MM07', 'MM08', 'MM09', 'MM10', 'MM11', 'MM12']),
        ('school_year', ['SJ00'])
    ) AS s (period_type, codes)
),
-- Years of which the table of the first term can't be had: the country and its municipalities.
unavailable AS (
    SELECT
        t.indicator_no,
        v.region_code,
        v.region_level,
        v.year AS region_year,
        v.year || d.code AS period,
        d.period_type,
        v.year,
        'unknown' AS status
    FROM input.terms AS t
    JOIN input.measure_levels AS l ON l.indicator_no = t.indicator_no
    JOIN input.measure_period_types AS pt ON pt.indicator_no = t.indicator_no
    JOIN spelled AS d ON d.period_type = pt.period_type
    JOIN input.region_years AS v
        ON v.region_level = l.region_level
        AND v.valid
        AND v.year BETWEEN t.year_from AND t.year_until
    WHERE t.term_no = 0 AND t.topic IS NULL
),
-- Which tables an indicator's year comes from, and whether one of them can't be had.
sources AS (
    SELECT
        t.indicator_no,
        y.year,
        string_agg(DISTINCT t.table_id, ', ' ORDER BY t.table_id) AS source_tables,
        string_agg(DISTINCT t.table_id || '@' || b.snapshot, ', ' ORDER BY t.table_id || '@' || b.snapshot)
            AS source_snapshots,
        min(b.retrieved_at) AS retrieved_at,
        bool_or(t.topic IS NULL) AS lacks_table
    FROM input.terms AS t
    JOIN input.tables AS b ON b.table_id = t.table_id
    JOIN (SELECT year FROM input.table_periods UNION SELECT year FROM input.region_years) AS y
        ON y.year BETWEEN t.year_from AND t.year_until
    GROUP BY t.indicator_no, y.year
),
cells AS (
    SELECT
        m.*,
        e.*,
        o.source_mark,
        o.confidential,
        s.source_tables,
        s.source_snapshots,
        s.retrieved_at,
        s.lacks_table,
        greatest(o.status_rank, CASE WHEN o.status_rank IS NULL THEN CASE e.status
            WHEN 'definitive' THEN 1
            WHEN 'revised_provisional' THEN 2
            WHEN 'provisional' THEN 3
            ELSE 4
        END END) AS status_rank,
        -- CBS marks some cells of living municipalities "impossible": validity of the region decides.
        coalesce(v.valid, true) AS region_valid,
        k.correction_id,
        CASE WHEN o.numerator_parts + coalesce(k.numerator_parts, 0) = m.numerator_parts
            THEN coalesce(o.numerator + k.numerator, k.numerator, o.numerator)
        END AS top,
        CASE WHEN o.denominator_parts + coalesce(k.denominator_parts, 0) = m.denominator_parts
            THEN coalesce(o.denominator + k.denominator, k.denominator, o.denominator)
        END AS bottom
    FROM (SELECT * FROM expected UNION ALL SELECT * FROM unavailable) AS e
    JOIN input.measures AS m ON m.indicator_no = e.indicator_no
    JOIN sources AS s ON s.indicator_no = e.indicator_no AND s.year = e.year
    LEFT JOIN observed AS o
        ON o.indicator_no = e.indicator_no
        AND o.region_code = e.region_code
        AND o.period = e.period
    LEFT JOIN corrected AS k
        ON k.indicator_no = e.indicator_no
        AND k.region_code = e.region_code
        AND k.period = e.period
    LEFT JOIN input.region_years AS v
        ON v.region_code = e.region_code AND v.year = e.region_year
),
-- Exact arithmetic: both parts as whole millionths, so that half-up and floor mean what they say.
exact AS (
    SELECT
        *,
        (top * 1000000)::HUGEINT * times * (10 ** decimals)::BIGINT AS n,
        (bottom * 1000000)::HUGEINT AS d
    FROM cells
),
computed AS (
    SELECT
        *,
        CASE
            WHEN kind <> 'ratio' THEN top::DOUBLE
            WHEN d = 0 OR d IS NULL OR n IS NULL THEN NULL
            WHEN rounding = 'none' THEN top::DOUBLE * times / bottom::DOUBLE
            ELSE CASE rounding
                WHEN 'half_up' THEN sign(n) * sign(d) * ((2 * abs(n) + abs(d)) // (2 * abs(d)))
                WHEN 'floor' THEN n // d - CASE WHEN n % d <> 0 AND (n < 0) <> (d < 0) THEN 1 ELSE 0 END
                WHEN 'half_even' THEN sign(n) * sign(d) * (
                    abs(n) // abs(d)
                    + CASE
                        WHEN 2 * (abs(n) % abs(d)) > abs(d) THEN 1
                        WHEN 2 * (abs(n) % abs(d)) = abs(d) AND (abs(n) // abs(d)) % 2 = 1 THEN 1
                        ELSE 0
                    END
                )
            END::DOUBLE / (10 ** decimals)
        END AS computed_value
    FROM exact
),
-- The one place that states which reason wins when more than one applies.
judged AS (
    SELECT
        *,
        CASE
            WHEN NOT country_wanted AND region_level = 'country' THEN 'national_picture_not_wanted'
            WHEN computed_value IS NOT NULL THEN NULL
            WHEN lacks_table THEN 'table_unavailable'
            WHEN NOT region_valid THEN 'impossible'
            WHEN d = 0 AND n IS NOT NULL THEN 'impossible'
            WHEN numerator_parts + denominator_parts > 1 THEN 'part_missing'
            WHEN confidential THEN 'unknown_or_confidential'
            ELSE 'not_published'
        END AS reason
    FROM computed
)
SELECT
    indicator_id,
    major_version,
    breakdown,
    region_code,
    region_year,
    period,
    definition_version,
    region_level,
    period_type,
    year,
    CASE WHEN reason IS NULL THEN computed_value END AS value,
    unit,
    CASE WHEN kind = 'ratio' AND reason IS DISTINCT FROM 'national_picture_not_wanted' THEN top::DOUBLE END AS numerator,
    CASE WHEN kind = 'ratio' AND reason IS DISTINCT FROM 'national_picture_not_wanted' THEN bottom::DOUBLE END AS denominator,
    NULL::DOUBLE AS value_low,
    NULL::DOUBLE AS value_high,
    ['definitive', 'revised_provisional', 'provisional', 'unknown'][status_rank] AS status,
    reason AS missing_reason,
    CASE WHEN reason IS NOT NULL THEN source_mark END AS source_mark,
    source_type,
    NULL::VARCHAR AS recalculated,
    correction_id,
    source_tables,
    source_snapshots,
    retrieved_at
FROM judged
