-- Hoeveel cijfers van elke CBS-tabel veranderden tussen twee momentopnamen die op elkaar volgen, per soort verandering. Alle nullen: er veranderde geen cijfer, wel iets anders.
-- key: table_id, old_retrieved_at, new_retrieved_at, old_snapshot, new_snapshot
-- columns:
--   table_id          VARCHAR    not null  Nummer van de tabel bij CBS.
--   old_retrieved_at  TIMESTAMP  not null  Wanneer de monitor de oudste ophaalde (UTC).
--   new_retrieved_at  TIMESTAMP  not null  Wanneer de monitor de nieuwste ophaalde (UTC).
--   announced         BIGINT               Aantal cijfers dat voorlopig was en veranderde of definitief werd.
--   silent            BIGINT               Aantal definitieve cijfers dat veranderde of niet meer definitief is.
--   unstated          BIGINT               Aantal veranderde cijfers waarvan CBS geen status geeft.
--   coverage          BIGINT               Aantal cijfers dat erbij kwam of verdween, in perioden die er al waren.
--   new_periods       BIGINT               Aantal cijfers in perioden die er eerder niet waren.
--   reason            VARCHAR              Waarom de twee niet te vergelijken zijn; dan zijn de aantallen leeg.
--   detail            VARCHAR              De technische melding daarbij.
--   old_snapshot      VARCHAR    not null  Oudste momentopname.
--   new_snapshot      VARCHAR    not null  Nieuwste momentopname.
SELECT
    p.table_id,
    p.old_retrieved_at,
    p.new_retrieved_at,
    CASE WHEN p.reason IS NULL THEN coalesce(c.announced, 0) END AS announced,
    CASE WHEN p.reason IS NULL THEN coalesce(c.silent, 0) END AS silent,
    CASE WHEN p.reason IS NULL THEN coalesce(c.unstated, 0) END AS unstated,
    CASE WHEN p.reason IS NULL THEN coalesce(c.coverage, 0) END AS coverage,
    CASE WHEN p.reason IS NULL THEN coalesce(c.new_periods, 0) END AS new_periods,
    p.reason,
    p.detail,
    p.old_snapshot,
    p.new_snapshot
FROM input.snapshot_pairs AS p
LEFT JOIN (
    SELECT
        table_id,
        old_retrieved_at,
        new_retrieved_at,
        old_snapshot,
        new_snapshot,
        count(*) FILTER (class = 'announced') AS announced,
        count(*) FILTER (class = 'silent') AS silent,
        count(*) FILTER (class = 'unstated') AS unstated,
        count(*) FILTER (class = 'coverage' AND NOT new_period) AS coverage,
        count(*) FILTER (new_period) AS new_periods
    FROM input.revisions
    GROUP BY ALL
) AS c
    ON c.table_id = p.table_id
    AND c.old_retrieved_at = p.old_retrieved_at
    AND c.new_retrieved_at = p.new_retrieved_at
    AND c.old_snapshot = p.old_snapshot
    AND c.new_snapshot = p.new_snapshot
