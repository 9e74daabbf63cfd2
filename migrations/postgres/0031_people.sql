-- People: several sets of demographics, of one site or of several, can be of one human being.

CREATE TABLE person (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    national_id TEXT COLLATE "C" UNIQUE,                   -- GB 11643; NULL: nobody's number is known
    created_us  BIGINT NOT NULL
);

-- How a record came to be of a person, or was said not to be: what was rejected stays, so that it is not linked again.
CREATE TABLE person_link (
    patient_id  BIGINT NOT NULL REFERENCES patient (id),
    person_id   BIGINT NOT NULL REFERENCES person (id),
    how         TEXT COLLATE "C" NOT NULL,                 -- first, national_id, confirmed, rejected
    account_id  BIGINT REFERENCES account (id),     -- who decided; NULL: the number did
    at_us       BIGINT NOT NULL,
    PRIMARY KEY (patient_id, person_id)
);
CREATE UNIQUE INDEX person_link_of ON person_link (patient_id) WHERE how <> 'rejected';
CREATE INDEX person_link_person ON person_link (person_id);

-- Records that may be of one person are looked for by these.
CREATE INDEX patient_alike ON patient (birth_date, name);
