-- Waar de bronnen zichzelf tegenspreken: wat je zou verwachten en wat er staat.
-- key: check_id, region_code, date, expected
-- columns:
--   check_id     VARCHAR  not null  in (municipal_history_one_side_only, municipal_history_sides_disagree, municipal_history_begin_differs, municipal_history_unknown_code)  Soort controle, op de geschiedenis van gemeenten. one_side_only: maar een van de twee gemeenten noemt de verschuiving. sides_disagree: de twee noemen andere aantallen. begin_differs: er staan twee begindatums. unknown_code: de tekst noemt een gemeente die CBS niet kent.
--   region_code  VARCHAR  not null  Bij welke gemeente het staat.
--   date         DATE     not null  Over welke dag het gaat.
--   expected     VARCHAR  not null  Wat je zou verwachten.
--   found        VARCHAR  not null  Wat er staat.
SELECT check_id, region_code, date, expected, found
FROM input.history_findings
