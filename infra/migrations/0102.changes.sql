-- A change of a chat is a new message, a new version of a message, or a new state of the chat itself.
-- Each takes the next `last_rev`. `state_rev` is the rev of the newest state, 0 if it never changed.
--
-- Old rows are not written again. The new CHECK reads `chats` once, while nobody else can use it: for a
-- million chats less than a second. No index on these columns: a send must remain a HOT update.
ALTER TABLE chats
    ADD COLUMN state_rev bigint NOT NULL DEFAULT 0,
    ADD COLUMN title text,
    ADD COLUMN photo uuid,
    ADD COLUMN member_count int NOT NULL DEFAULT 2,
    DROP CONSTRAINT chats_kind_check,
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('direct', 'group'));

-- Changes whose delivery is not settled. `seq` is the rev of the change: of a new message, its seq.
-- `changed_seq` is null for a new message, 0 for a new state of the chat, otherwise the seq of the
-- message that has a new version. Code from before this migration skips rows with a `changed_seq`.
ALTER TABLE outbox ADD COLUMN changed_seq bigint;
