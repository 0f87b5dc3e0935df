-- De thema's met hun vraag, en of er al een indicator is van wat inwoners merken.
-- key: theme_id
-- columns:
--   theme_id       VARCHAR  not null  Thema: een uitkomst voor inwoners.
--   title          VARCHAR  not null  Titel.
--   question       VARCHAR  not null  Wat we over inwoners willen weten.
--   description    VARCHAR  not null  Uitleg.
--   theme_order    INTEGER  not null  Plaats in overzichten.
--   indicators     BIGINT   not null  Aantal indicatoren.
--   effects        BIGINT   not null  Aantal indicatoren dat een effect meet.
--   effect_status  VARCHAR  not null  Of er een effectindicator is.
SELECT
    t.theme_id,
    t.title,
    t.question,
    t.description,
    t.theme_order,
    count(i.indicator_id) AS indicators,
    count(i.indicator_id) FILTER (i.kind = 'effect') AS effects,
    CASE WHEN count(i.indicator_id) FILTER (i.kind = 'effect') > 0
        THEN 'heeft een effectindicator'
        ELSE 'nog geen effectindicator'
    END AS effect_status
FROM input.themes AS t
LEFT JOIN input.indicators AS i ON i.theme_id = t.theme_id AND i.status <> 'withdrawn'
GROUP BY ALL
