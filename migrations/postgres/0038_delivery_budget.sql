-- Delivery forms within a budget: who was looked at last, how much it all is, and what is made again only when asked for.

ALTER TABLE study ADD COLUMN opened_us BIGINT;                   -- when somebody last opened it
CREATE INDEX delivery_bytes ON delivery_object (bytes);
DROP INDEX instance_pending;
CREATE INDEX instance_pending ON instance (id) WHERE delivery = 'pending' AND delivery_reason = '';
