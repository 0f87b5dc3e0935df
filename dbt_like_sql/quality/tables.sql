-- Hoe elke CBS-tabel ervoor staat: bruikbaar, in quarantaine of niet in deze bron.
-- key: table_id
-- columns:
--   table_id      VARCHAR    not null  Nummer van de tabel bij CBS.
--   title         VARCHAR              Titel van de tabel.
--   state         VARCHAR    not null  in (good, quarantined, absent)  good: bruikbaar. quarantined: de nieuwe levering is niet bruikbaar. absent: de bron bevat deze tabel niet.
--   reason        VARCHAR              Waarom een tabel in quarantaine staat, of niet in de bron zit.
--   detail        VARCHAR              De technische melding daarbij.
--   stale_since   TIMESTAMP            Sinds wanneer de monitor geen bruikbare levering meer kreeg (UTC); leeg als de cijfers actueel zijn.
--   snapshot      VARCHAR              Momentopname die de monitor nu gebruikt; leeg als er geen is.
--   retrieved_at  TIMESTAMP            Wanneer de monitor die momentopname ophaalde (UTC).
--   modified      VARCHAR              Wanneer CBS de tabel voor het laatst wijzigde.
--   next_publication        VARCHAR    Wat CBS zegt over de volgende publicatie; leeg als CBS daar niets over zegt.
--   next_publication_from   DATE       De eerste dag die CBS daarmee bedoelt; leeg als dat niet zeker is.
--   next_publication_until  DATE       De laatste dag die CBS daarmee bedoelt; leeg als dat niet zeker is.
SELECT
    table_id,
    title,
    state,
    reason,
    detail,
    stale_since,
    snapshot,
    retrieved_at,
    modified,
    next_publication,
    next_publication_from,
    next_publication_until
FROM input.tables
