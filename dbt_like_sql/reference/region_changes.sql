-- Wat er tussen gemeenten verschoof: herindelingen, grenswijzigingen en nieuwe namen, zoals CBS die vertelt.
-- key: date, origin, destination
-- columns:
--   date         DATE     not null  Vanaf wanneer.
--   kind         VARCHAR  not null  in (merged, split, renamed, boundary_change, remained)  merged: de hele gemeente ging op in een andere. split: een deel van een opgeheven gemeente. renamed: alleen een andere code. boundary_change: een deel van een gemeente die blijft bestaan. remained: wat een vergrote gemeente al was.
--   origin       VARCHAR  not null  Code van de gemeente waar het vandaan kwam.
--   destination  VARCHAR  not null  Code van de gemeente waar het naartoe ging.
--   hectares     DOUBLE             Oppervlakte; leeg als CBS die niet noemt (voor 2007), net als de volgende twee.
--   dwellings    INTEGER            Aantal woningen.
--   inhabitants  INTEGER            Aantal inwoners.
--   share        DOUBLE             Welk deel van de inwoners van de gemeente het was (0 tot 1); leeg als dat niet bekend is.
--   told_by      VARCHAR  not null  Wie het vertelt: de tekst bij de ene gemeente (origin), bij de andere (destination) of allebei.
SELECT date, kind, origin, destination, hectares, dwellings, inhabitants, share, told_by
FROM input.region_changes
