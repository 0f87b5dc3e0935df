-- Alle gemeenten die CBS kent, van wanneer tot wanneer ze bestonden, en wat ervoor en erna kwam.
-- key: region_code
-- columns:
--   region_code   VARCHAR  not null  Code van de gemeente.
--   name          VARCHAR  not null  Naam van de gemeente.
--   valid_from    DATE               Eerste dag van de gemeente onder deze code; leeg als die heel lang geleden is.
--   valid_to      DATE               Dag waarop de gemeente niet meer bestond; leeg als ze nog bestaat.
--   predecessors  VARCHAR            Codes van de gemeenten waaruit ze ontstond.
--   successors    VARCHAR            Codes van de gemeenten waarin ze opging.
SELECT region_code, name, valid_from, valid_to, predecessors, successors
FROM input.municipalities
