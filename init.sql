-- The accounts, for MySQL 8 and MariaDB. Creates the tables in the current database.
-- Can be run again at any time.
CREATE TABLE IF NOT EXISTS users (
  -- The user id in tokens and jobs. Never changes.
  id         CHAR(24)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- Trimmed and in lower case. Compared byte by byte, because auth, not the
  -- collation, normalizes addresses.
  email      VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
  -- Argon2id, in PHC string format.
  password   VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB;

-- Counts of attempts to log in, and clients that have logged in, shared by the pods of
-- auth. Rows are deleted after they have expired. May be emptied at any time.
CREATE TABLE IF NOT EXISTS throttle (
  -- A keyed hash of account and client address, so neither can be read from it.
  id         BINARY(32) NOT NULL PRIMARY KEY,
  -- Microseconds since 1970.
  expires_at BIGINT     NOT NULL,
  KEY expires_at (expires_at)
) ENGINE = InnoDB;
