-- Passwords said, right and wrong: at sign-in, and again at every signature. The two are counted apart.

CREATE TABLE password_attempt (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    act         TEXT COLLATE "C" NOT NULL,                       -- sign_in, signature
    login       TEXT COLLATE "C" NOT NULL,
    address     TEXT COLLATE "C" NOT NULL,
    at_us       BIGINT NOT NULL,
    ok          BIGINT NOT NULL                      -- 0 until the password was found to be right
);
CREATE INDEX password_attempt_login ON password_attempt (login, at_us);
CREATE INDEX password_attempt_address ON password_attempt (address, at_us);
CREATE INDEX password_attempt_time ON password_attempt (ok, at_us);

INSERT INTO password_attempt (act, login, address, at_us, ok)
SELECT 'sign_in', login, address, at_us, ok FROM sign_in_attempt WHERE address NOT LIKE 'signing as %';

DROP TABLE sign_in_attempt;
