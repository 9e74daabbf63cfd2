-- What was opened lately, by whom: people and machines, studies and reports. A memory of minutes; the event log is the record.

CREATE TABLE opening (
    caller      TEXT NOT NULL,                       -- account:5, token:3
    subject     TEXT NOT NULL,                       -- study:7, report:9
    at_us       BIGINT NOT NULL,                     -- when its event was written
    PRIMARY KEY (caller, subject)
);
CREATE INDEX opening_time ON opening (at_us);
