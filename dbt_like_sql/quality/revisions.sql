-- Elk cijfer van CBS dat anders is dan in een eerdere momentopname: wat het was, wat het werd en of CBS dat had aangekondigd. Alleen vergeleken waar de monitor beide keren om vroeg.
-- key: table_id, old_retrieved_at, new_retrieved_at, old_snapshot, new_snapshot, topic, region_code, period, members
-- columns:
--   table_id          VARCHAR    not null  Nummer van de tabel bij CBS.
--   topic             VARCHAR    not null  Onderwerp, zoals de nieuwste van de twee momentopnamen het noemt.
--   topic_title       VARCHAR    not null  Titel van het onderwerp, met de groepen waar het in staat.
--   region_code       VARCHAR    not null  Code van de regio.
--   region_level      VARCHAR    not null  Soort regio.
--   region_name       VARCHAR              Naam van de regio; leeg als geen tabel van nu de regio noemt.
--   period            VARCHAR    not null  Periode zoals CBS die schrijft.
--   members           VARCHAR    not null  Overige kenmerken, zoals geslacht en leeftijd; leeg als er geen zijn.
--   class             VARCHAR    not null  in (announced, silent, unstated, coverage)  announced: het cijfer was voorlopig, dus CBS had aangekondigd dat het kon veranderen. silent: een definitief cijfer is veranderd, of is niet meer definitief. unstated: CBS geeft geen status. coverage: er kwam een cijfer bij of er verdween een cijfer.
--   old_value         DOUBLE               Cijfer in de oudste momentopname, in de eenheid van CBS.
--   new_value         DOUBLE               Cijfer in de nieuwste momentopname, in de eenheid van CBS.
--   difference        DOUBLE               Nieuw min oud; leeg als een van beide ontbreekt.
--   old_status        VARCHAR              in (definitive, revised_provisional, provisional, unknown)  Status in de oudste; leeg als de rij er niet was.
--   new_status        VARCHAR              in (definitive, revised_provisional, provisional, unknown)  Status in de nieuwste; leeg als de rij er niet meer is.
--   old_mark          VARCHAR              Teken van CBS als er in de oudste geen cijfer stond.
--   new_mark          VARCHAR              Teken van CBS als er in de nieuwste geen cijfer staat.
--   new_period        BOOLEAN    not null  Of de periode er in de oudste momentopname nog niet was.
--   old_retrieved_at  TIMESTAMP  not null  Wanneer de monitor de oudste ophaalde (UTC).
--   new_retrieved_at  TIMESTAMP  not null  Wanneer de monitor de nieuwste ophaalde (UTC).
--   old_snapshot      VARCHAR    not null  Oudste momentopname.
--   new_snapshot      VARCHAR    not null  Nieuwste momentopname.
SELECT
    v.table_id,
    v.topic,
    v.topic_title,
    v.region_code,
    v.region_level,
    r.name AS region_name,
    v.period,
    v.members,
    v.class,
    v.old_value::DOUBLE AS old_value,
    v.new_value::DOUBLE AS new_value,
    (v.new_value - v.old_value)::DOUBLE AS difference,
    v.old_status,
    v.new_status,
    v.old_mark,
    v.new_mark,
    v.new_period,
    v.old_retrieved_at,
    v.new_retrieved_at,
    v.old_snapshot,
    v.new_snapshot
FROM input.revisions AS v
LEFT JOIN input.regions AS r ON r.region_code = v.region_code
