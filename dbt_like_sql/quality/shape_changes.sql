-- Wat er veranderde in de vorm van CBS-tabellen (onderwerpen, eenheden, dimensies, codes), of CBS een tabel stopt, en wat dat betekent voor welke indicatoren.
-- key: table_id, change_no
-- columns:
--   table_id      VARCHAR    not null  Nummer van de tabel bij CBS.
--   change_no     INTEGER    not null  Volgnummer bij die tabel; de oudste verandering is 1.
--   retrieved_at  TIMESTAMP            Wanneer de monitor de levering met de nieuwe vorm ophaalde (UTC); leeg als die levering niet is gebruikt.
--   modified      VARCHAR    not null  Wanneer CBS de tabel had gewijzigd, volgens die levering.
--   kind          VARCHAR    not null  in (unit, decimals, datatype, topic_vanished, topic_renamed, topic_new, dimension_vanished, dimension_new, member_vanished, member_renamed, member_new, regions, map_year, protocol, discontinued, successor)  Soort verandering: unit eenheid, decimals aantal decimalen, datatype cijfers of tekst, topic onderwerp (vanished weg, renamed andere naam of plaats, new nieuw), dimension dimensie, member code uit een dimensie, regions regio's erbij of weg, map_year jaar van de gemeentelijke indeling, protocol andere dienst van CBS, discontinued CBS stopt met de tabel, successor CBS noemt een opvolger.
--   subject       VARCHAR    not null  Waar het om gaat: het onderwerp, de dimensie, of de dimensie en de code; leeg als het om de hele tabel gaat.
--   before        VARCHAR              Hoe het was. Bij regions: het aantal regio's dat er niet meer in staat.
--   after         VARCHAR              Hoe het nu is. Bij regions: het aantal nieuwe regio's.
--   meaning       VARCHAR    not null  Wat er veranderde en wat dat betekent, in gewone taal.
--   indicators    VARCHAR              Om welke indicatoren het gaat; leeg als geen indicator dit gebruikt.
--   quarantined   BOOLEAN    not null  Of de monitor daarom de vorige levering gebruikt.
SELECT table_id, change_no, retrieved_at, modified, kind, subject, before, after, meaning, indicators, quarantined
FROM input.shape_changes
