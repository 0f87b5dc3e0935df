-- Hoe de gemeenten van het ene jaar overgaan in die van een ander jaar, vanaf 2010: welk deel van de inwoners waarheen gaat.
-- key: from_year, to_year, origin, destination
-- columns:
--   from_year    SMALLINT  not null  Jaar van de indeling waar u van uitgaat (1 januari).
--   to_year      SMALLINT  not null  Jaar van de indeling waar u naartoe wilt. Terug in de tijd zijn er alleen regels voor gemeenten die hetzelfde gebied bleven.
--   origin       VARCHAR   not null  Code van de gemeente in het eerste jaar.
--   destination  VARCHAR   not null  Code van de gemeente in het andere jaar.
--   share        DOUBLE    not null  Deel van de inwoners (0 tot 1); vooruit in de tijd tellen de delen van een gemeente op tot 1.
--   method       VARCHAR   not null  in (same, renamed, merged, boundary_change, split_by_inhabitants)  same: dezelfde gemeente. renamed: een andere code. merged: helemaal opgegaan in een gemeente. boundary_change: er ging 1 procent of meer van de inwoners naar een andere gemeente; omgerekend waar het aantal inwoners bekend is. split_by_inhabitants: verdeeld naar inwoners.
SELECT from_year, to_year, origin, destination, share, method
FROM input.concordance
