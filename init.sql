-- The users of mp3converter, for MySQL 8 and MariaDB. May be run again at any
-- time. The database itself is whichever this is run in.
CREATE TABLE IF NOT EXISTS users (
  -- What tokens and jobs know a user by; never changes.
  id         CHAR(24)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- Trimmed and in lower case. Compared byte by byte: the function that writes
  -- it decides what is the same address, not a collation.
  email      VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
  -- Argon2id, in the PHC string format.
  password   VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB;
