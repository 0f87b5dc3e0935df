-- Hoe elke CBS-tabel ervoor staat: bruikbaar, in quarantaine of niet in deze bron.
-- key: table_id
-- columns:
--   table_id      VARCHAR    not null  Nummer van de tabel bij CBS.
--   title         VARCHAR              Titel van de tabel.
--   state         VARCHAR    not null  in (good, quarantined, absent)  good: bruikbaar. quarantined: de nieuwe levering is niet bruikbaar. absent: de bron bevat deze tabel niet.
--   reason        VARCHAR              Waarom een tabel in quarantaine staat, of niet in de bron zit.
--   detail        VARCHAR              De technische melding daarbij.
--   snapshot      VARCHAR              Momentopname die de monitor nu gebruikt; leeg als er geen is.
--   retrieved_at  TIMESTAMP            Wanneer de monitor die momentopname ophaalde (UTC).
--   modified      VARCHAR              Wanneer CBS de tabel voor het laatst wijzigde.
SELECT table_id, title, state, reason, detail, snapshot, retrieved_at, modified
FROM input.tables
