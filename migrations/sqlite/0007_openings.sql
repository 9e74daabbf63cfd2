-- What each person opened last: looking at one study for a while is one opening in the event log.

CREATE TABLE opening (
    account_id  BIGINT PRIMARY KEY REFERENCES account (id),
    study_id    BIGINT NOT NULL REFERENCES study (id),
    at_us       BIGINT NOT NULL                      -- when its event was written
);
