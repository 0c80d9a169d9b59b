-- Removes dead OAuth2 tokens, authorization codes and CIBA codes, in small transactions.
-- made by tokensweep procedure mysql, for the tables of apim-2.6. Do not edit it: generate it again when the tables change.
--
-- Install  mysql THE_SCHEMA < this file. Whoever installs it is the definer, under whose privileges it runs: CREATE ROUTINE,
--          CREATE and DROP for `TOKENSWEEP_RUNS`, SELECT on all tables here, INSERT, and DELETE
--          on the tables cleaned. On MariaDB REFERENCES too: else the server hides what foreign keys do.
-- Try      CALL TOKENSWEEP_CLEAN('documented', 7200, NULL, 1000, 0, 0, FALSE, TRUE);    counts, and writes nothing
-- Run      CALL TOKENSWEEP_CLEAN('documented', 7200, NULL, 1000, 0, 0, FALSE, FALSE);
-- Allow    GRANT EXECUTE ON PROCEDURE TOKENSWEEP_CLEAN TO 'operator'@'%';   again after each install
-- Look     SELECT * FROM TOKENSWEEP_RUNS ORDER BY STARTED_AT;
-- Remove   DROP PROCEDURE TOKENSWEEP_CLEAN; DROP TABLE TOKENSWEEP_RUNS;
--
-- The product writes UTC into TIMESTAMP columns through its sessions' time zone. Call this in a session of the same zone: that is
-- the server's default unless the product's JDBC URL says otherwise, so do not SET time_zone before.
--
-- After KILL QUERY, MySQL leaves the session in the middle of a batch: end the session, or ROLLBACK. Then call again.

-- A procedure keeps the sql_mode in which it is made: strict, but zero dates go to the audit table as they are.
SET @tokensweep_sql_mode = @@SESSION.sql_mode, @tokensweep_big_selects = @@SESSION.sql_big_selects;
SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', sql_big_selects = 1;

-- A procedure or table of these names that is not ours stops the script here, with error 1242.
SET @tokensweep_ours = (SELECT 1 UNION ALL SELECT 2 FROM information_schema.ROUTINES
  WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME = 'TOKENSWEEP_CLEAN' AND ROUTINE_TYPE = 'PROCEDURE'
    AND ROUTINE_COMMENT NOT LIKE 'made by tokensweep procedure%');
SET @tokensweep_ours = (SELECT 1 UNION ALL SELECT 2 FROM information_schema.TABLES t
  WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = 'TOKENSWEEP_RUNS' AND 12 <>
    (SELECT COUNT(*) FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME
      AND c.COLUMN_NAME IN ('RUN_ID', 'PHASE', 'POLICY', 'CUT_OFF', 'AUDIT', 'STARTED_AT', 'ENDED_AT', 'EXAMINED', 'REMOVED', 'AUDITED',
        'BATCHES', 'OUTCOME')));

-- One row per run and table. Times are UTC.
CREATE TABLE IF NOT EXISTS `TOKENSWEEP_RUNS` (
  RUN_ID CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PHASE VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  POLICY VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  CUT_OFF CHAR(19) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  AUDIT TINYINT NOT NULL,
  STARTED_AT CHAR(19) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  ENDED_AT CHAR(19) CHARACTER SET ascii COLLATE ascii_bin NULL,
  EXAMINED BIGINT NOT NULL,
  REMOVED BIGINT NOT NULL,
  AUDITED BIGINT NOT NULL,
  BATCHES BIGINT NOT NULL,
  OUTCOME VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (RUN_ID, PHASE)
) ENGINE=InnoDB COMMENT='made by tokensweep procedure';

DROP PROCEDURE IF EXISTS `TOKENSWEEP_CLEAN`;

DELIMITER //

CREATE PROCEDURE `TOKENSWEEP_CLEAN` (
  p_policy      VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,  -- 'documented' or 'strict'; NULL is 'documented'
  p_safe_period INT,           -- seconds that a token must have been over; NULL only with p_cut_off
  p_cut_off     DATETIME(6),   -- what ended before this time may go, UTC, whole seconds; NULL: now less p_safe_period
  p_batch       INT,           -- keys that a transaction examines at most; NULL is 1000
  p_sleep       DECIMAL(9,3),  -- seconds between batches; NULL is 0
  p_max_seconds INT,           -- stop after the batch in which this time is over; 0 or NULL: no limit
  p_audit       BOOLEAN,       -- copy removed tokens to the audit table; NULL is FALSE
  p_dry_run     BOOLEAN        -- count only, and write nothing; NULL is FALSE
)
  MODIFIES SQL DATA
  SQL SECURITY DEFINER
  COMMENT 'made by tokensweep procedure mysql'
BEGIN
  DECLARE v_lock VARCHAR(64) CHARACTER SET ascii;
  DECLARE v_cut_off, v_at CHAR(19) CHARACTER SET ascii;
  DECLARE v_started DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
  DECLARE v_run_id CHAR(32) CHARACTER SET ascii COLLATE ascii_bin -- sorts by time
    DEFAULT CONCAT(DATE_FORMAT(v_started, '%Y%m%d%H%i%s%f'), LEFT(REPLACE(UUID(), '-', ''), 12));
  DECLARE v_message, v_stopped VARCHAR(500) CHARACTER SET utf8mb4;
  DECLARE v_known, v_keys, v_hits, v_locked, v_removed BIGINT DEFAULT 0;
  DECLARE v_size, v_attempts, v_mismatches INT DEFAULT 0;
  DECLARE v_begun BOOLEAN DEFAULT FALSE;
  DECLARE v_deadlocks, v_timeouts, v_taken_back BIGINT DEFAULT 0;
  DECLARE v_tokens_from, v_tokens_through VARCHAR(255);
  DECLARE v_tokens_examined, v_tokens_removed, v_tokens_batches, v_tokens_held BIGINT DEFAULT 0;
  DECLARE v_codes_from, v_codes_through VARCHAR(255);
  DECLARE v_codes_examined, v_codes_removed, v_codes_batches, v_codes_held BIGINT DEFAULT 0;
  -- The caller's settings, which the end restores, whatever the end.
  DECLARE v_autocommit INT DEFAULT @@SESSION.autocommit;
  DECLARE v_safe_updates INT DEFAULT @@SESSION.sql_safe_updates;
  DECLARE v_big_selects INT DEFAULT @@SESSION.sql_big_selects;
  DECLARE v_foreign_key_checks INT DEFAULT @@SESSION.foreign_key_checks;
  DECLARE v_unique_checks INT DEFAULT @@SESSION.unique_checks;
  DECLARE v_row_wait INT DEFAULT @@SESSION.innodb_lock_wait_timeout;
  DECLARE v_table_wait INT DEFAULT @@SESSION.lock_wait_timeout;

  -- 1. Refuse what cannot work, before anything changes.
  SET p_policy = COALESCE(p_policy, 'documented'), p_batch = COALESCE(p_batch, 1000), p_sleep = COALESCE(p_sleep, 0),
    p_max_seconds = COALESCE(p_max_seconds, 0), p_audit = COALESCE(p_audit, FALSE), p_dry_run = COALESCE(p_dry_run, FALSE);
  SET v_message = CASE
    WHEN p_policy LIKE 'official-%' THEN 'the official policies repeat a vendor''s script, for comparison: use documented or strict'
    WHEN p_policy NOT IN ('documented', 'strict') THEN 'p_policy must be documented or strict'
    WHEN p_cut_off IS NULL AND p_safe_period IS NULL THEN 'p_safe_period or p_cut_off is missing'
    WHEN p_safe_period < 0 THEN 'p_safe_period is negative: tokens that still work would go'
    WHEN p_cut_off > v_started THEN 'p_cut_off is in the future: tokens that still work would go'
    WHEN MICROSECOND(p_cut_off) <> 0 THEN 'p_cut_off has a fraction of a second'
    WHEN p_batch NOT BETWEEN 1 AND 1000000 THEN 'p_batch must be from 1 to 1000000'
    WHEN p_sleep < 0 THEN 'p_sleep is negative'
    WHEN p_max_seconds < 0 THEN 'p_max_seconds is negative'
    WHEN p_audit THEN 'this procedure was generated without audit'
  END;

  IF v_message IS NOT NULL THEN
    SET v_message = LEFT(CONCAT('tokensweep: ', v_message), 128);
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
  END IF;

  -- A transaction of the caller's would be committed half way. The server knows about it when this statement fails.
  BEGIN
    DECLARE EXIT HANDLER FOR 1568
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'tokensweep: this session has a transaction open: COMMIT it, or ROLLBACK if it is a killed call, then call again';
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
  END;

  -- 2. Whatever goes wrong from here on: the batch is taken back, and the caller gets everything back.
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
      GET DIAGNOSTICS CONDITION 1 v_message = MESSAGE_TEXT;
      ROLLBACK;
      BEGIN -- What fails here must not hide the error.
        DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
        IF v_begun THEN
          UPDATE `TOKENSWEEP_RUNS` SET ENDED_AT = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'), OUTCOME = LEFT(CONCAT('failed: ', v_message), 500)
          WHERE RUN_ID = v_run_id AND ENDED_AT IS NULL;
        END IF;
        IF v_lock IS NOT NULL THEN
          DO RELEASE_LOCK(v_lock);
        END IF;
      END;
      SET SESSION autocommit = v_autocommit, sql_safe_updates = v_safe_updates, sql_big_selects = v_big_selects,
        foreign_key_checks = v_foreign_key_checks, unique_checks = v_unique_checks,
        innodb_lock_wait_timeout = v_row_wait, lock_wait_timeout = v_table_wait;
      RESIGNAL;
    END;
    SET SESSION autocommit = 1, sql_safe_updates = 0, sql_big_selects = 1, foreign_key_checks = 1, unique_checks = 1,
      innodb_lock_wait_timeout = 5, lock_wait_timeout = 30;

    -- The tables must be those that this procedure was generated for.
    SELECT SUM(c.known), CONCAT('column ', MIN(CASE c.known WHEN 0 THEN c.name END), ' is new') INTO v_known, v_message FROM (
      SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME) AS name, CONCAT(TABLE_NAME, '.', COLUMN_NAME) IN (
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.ACCESS_TOKEN',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN',
        'IDN_OAUTH2_ACCESS_TOKEN.CONSUMER_KEY_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.AUTHZ_USER',
        'IDN_OAUTH2_ACCESS_TOKEN.TENANT_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.USER_DOMAIN',
        'IDN_OAUTH2_ACCESS_TOKEN.USER_TYPE',
        'IDN_OAUTH2_ACCESS_TOKEN.GRANT_TYPE',
        'IDN_OAUTH2_ACCESS_TOKEN.TIME_CREATED',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN_TIME_CREATED',
        'IDN_OAUTH2_ACCESS_TOKEN.VALIDITY_PERIOD',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN_VALIDITY_PERIOD',
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_SCOPE_HASH',
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_STATE',
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_STATE_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.SUBJECT_IDENTIFIER',
        'IDN_OAUTH2_ACCESS_TOKEN.ACCESS_TOKEN_HASH',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN_HASH',
        'IDN_OAUTH2_AUTHORIZATION_CODE.CODE_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.AUTHORIZATION_CODE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.CONSUMER_KEY_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.CALLBACK_URL',
        'IDN_OAUTH2_AUTHORIZATION_CODE.SCOPE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.AUTHZ_USER',
        'IDN_OAUTH2_AUTHORIZATION_CODE.TENANT_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.USER_DOMAIN',
        'IDN_OAUTH2_AUTHORIZATION_CODE.TIME_CREATED',
        'IDN_OAUTH2_AUTHORIZATION_CODE.VALIDITY_PERIOD',
        'IDN_OAUTH2_AUTHORIZATION_CODE.STATE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.TOKEN_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.SUBJECT_IDENTIFIER',
        'IDN_OAUTH2_AUTHORIZATION_CODE.PKCE_CODE_CHALLENGE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.PKCE_CODE_CHALLENGE_METHOD',
        'IDN_OAUTH2_AUTHORIZATION_CODE.AUTHORIZATION_CODE_HASH') AS known
      FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (
        'IDN_OAUTH2_ACCESS_TOKEN',
        'IDN_OAUTH2_AUTHORIZATION_CODE')) c;
    IF v_message IS NULL AND (v_known IS NULL OR v_known <> 35) THEN
      SET v_message = 'a column or table is gone';
    END IF;
    IF v_message IS NULL AND EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND (
      TABLE_NAME = 'IDN_OAUTH2_ACCESS_TOKEN' AND COLUMN_NAME = 'TOKEN_ID' AND COLLATION_NAME <> COLLATION(v_tokens_from) OR
      TABLE_NAME = 'IDN_OAUTH2_AUTHORIZATION_CODE' AND COLUMN_NAME = 'CODE_ID' AND COLLATION_NAME <> COLLATION(v_codes_from))) THEN
      SET v_message = 'a key has another collation';
    END IF;
    IF v_message IS NULL THEN
      SELECT SUM(k.known), CONCAT(MIN(CASE k.known WHEN 0 THEN k.name END), ' is new') INTO v_known, v_message FROM (
        SELECT r.name, r.name IN (
          'IDN_OAUTH2_ACCESS_TOKEN_SCOPE to IDN_OAUTH2_ACCESS_TOKEN on delete CASCADE',
          'IDN_OIDC_REQ_OBJECT_CLAIMS to IDN_OIDC_REQ_OBJECT_REFERENCE on delete CASCADE',
          'IDN_OIDC_REQ_OBJECT_REFERENCE to IDN_OAUTH2_ACCESS_TOKEN on delete CASCADE',
          'IDN_OIDC_REQ_OBJECT_REFERENCE to IDN_OAUTH2_AUTHORIZATION_CODE on delete CASCADE',
          'IDN_OIDC_REQ_OBJ_CLAIM_VALUES to IDN_OIDC_REQ_OBJECT_CLAIMS on delete CASCADE') AS known
        FROM (SELECT CONCAT(TABLE_NAME, ' to ', REFERENCED_TABLE_NAME, ' on delete ', REPLACE(DELETE_RULE, 'RESTRICT', 'NO ACTION')) AS name
          FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IN (
            'IDN_OAUTH2_ACCESS_TOKEN',
            'IDN_OAUTH2_ACCESS_TOKEN_SCOPE',
            'IDN_OIDC_REQ_OBJECT_REFERENCE',
            'IDN_OIDC_REQ_OBJECT_CLAIMS',
            'IDN_OIDC_REQ_OBJ_CLAIM_VALUES',
            'IDN_OAUTH2_AUTHORIZATION_CODE')) r) k;
      IF v_message IS NULL AND COALESCE(v_known, 0) <> 5 THEN
        SET v_message = 'a foreign key is gone';
      END IF;
    END IF;
    IF v_message IS NOT NULL THEN
      SET v_message = CONCAT('generate it again: ', v_message);
    END IF;

    -- The same lock as that of tokensweep clean. A dry run is in nobody's way.
    IF v_message IS NULL AND NOT p_dry_run THEN
      SET v_lock = CONCAT('tokensweep-', LEFT(SHA2(LOWER(DATABASE()), 256), 32));
      IF COALESCE(GET_LOCK(v_lock, 5), 0) <> 1 THEN
        SET v_message = CONCAT('another clean-up of schema ', DATABASE(), ' is under way: wait for it to end'), v_lock = NULL;
      END IF;
    END IF;
    IF v_message IS NOT NULL THEN
      SET v_message = LEFT(CONCAT('tokensweep: ', v_message), 128);
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;

    -- 3. Clean.
    SET v_cut_off = DATE_FORMAT(COALESCE(p_cut_off, v_started - INTERVAL p_safe_period SECOND), '%Y-%m-%d %H:%i:%s');

    IF NOT p_dry_run THEN
      -- Under the run lock, a row without an end is of a run whose session was lost.
      UPDATE `TOKENSWEEP_RUNS` SET ENDED_AT = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'), OUTCOME = 'failed: its session was lost'
      WHERE ENDED_AT IS NULL;
      INSERT INTO `TOKENSWEEP_RUNS` (RUN_ID, PHASE, POLICY, CUT_OFF, AUDIT, STARTED_AT, ENDED_AT, EXAMINED, REMOVED, AUDITED, BATCHES, OUTCOME) VALUES
        (v_run_id, 'tokens', p_policy, v_cut_off, p_audit, DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'), NULL, 0, 0, 0, 0, 'running'),
        (v_run_id, 'authorization codes', p_policy, v_cut_off, p_audit, DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'), NULL, 0, 0, 0, 0, 'running');
      SET v_begun = TRUE;
    END IF;

    -- tokens, in the order of their primary key.
    IF v_stopped IS NULL THEN
      IF NOT p_dry_run THEN
        UPDATE `TOKENSWEEP_RUNS` SET STARTED_AT = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s') WHERE RUN_ID = v_run_id AND PHASE = 'tokens';
      END IF;
      SET v_size = p_batch, v_tokens_from = NULL; -- and not by SET v = (SELECT …), which would lock the row
      SELECT `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID`
        FROM `IDN_OAUTH2_ACCESS_TOKEN`
        ORDER BY `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID`
        LIMIT 1
      INTO v_tokens_from;
      tokens: WHILE v_tokens_from IS NOT NULL DO
        IF p_max_seconds > 0 AND TIMESTAMPDIFF(SECOND, v_started, UTC_TIMESTAMP(6)) >= p_max_seconds THEN
          SET v_stopped = CONCAT('the time limit of ', p_max_seconds, ' s');
          LEAVE tokens;
        END IF;

        -- How far the next keys reach, and whether there is anything to remove among them.
        SELECT COUNT(*), COALESCE(SUM(w.hit), 0), MAX(w.id)
          FROM (SELECT `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` AS id, CASE WHEN (p_policy = 'documented'
              AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED', 'EXPIRED')
                OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                  OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                  OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))
              OR p_policy = 'strict'
              AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED')
                OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('EXPIRED')
                AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                  OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                  OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)
                OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                  OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                  OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))) THEN 1 ELSE 0 END AS hit
            FROM `IDN_OAUTH2_ACCESS_TOKEN`
            WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` >= v_tokens_from
            ORDER BY `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID`
            LIMIT v_size) AS w
        INTO v_keys, v_hits, v_tokens_through;
        SET v_attempts = 0;
        IF p_dry_run THEN
          SET v_tokens_removed = v_tokens_removed + v_hits, v_hits = 0;
        END IF;

        WHILE v_hits > 0 DO
          BEGIN
            -- A deadlock, a lock not had in time (1020 is MariaDB's word for a row that has changed): the batch again.
            DECLARE EXIT HANDLER FOR 1213, 1205, 1020
            BEGIN
              GET DIAGNOSTICS CONDITION 1 v_known = MYSQL_ERRNO;
              ROLLBACK;
              SET v_attempts = v_attempts + 1, v_deadlocks = v_deadlocks + (v_known <> 1205), v_timeouts = v_timeouts + (v_known = 1205);
              IF v_attempts >= 10 THEN
                RESIGNAL;
              END IF;
              DO SLEEP(LEAST(5, 0.02 * POW(2, v_attempts)) * (0.5 + RAND()));
            END;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            START TRANSACTION READ WRITE;
            SET v_at = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s');
            SELECT COUNT(*)
              FROM (SELECT `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID`
                FROM `IDN_OAUTH2_ACCESS_TOKEN`
                WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` >= v_tokens_from
                AND `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` <= v_tokens_through
                AND (p_policy = 'documented'
                  AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED', 'EXPIRED')
                    OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                    AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                    AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                      OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                      OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                      THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                      > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))
                  OR p_policy = 'strict'
                  AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED')
                    OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('EXPIRED')
                    AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                      OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                      OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                      THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                      > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)
                    OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                    AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                    AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                      OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                      OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                      THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                      > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))) FOR UPDATE) AS w
            INTO v_locked;
            DELETE `IDN_OIDC_REQ_OBJECT_CLAIMS`
              FROM `IDN_OAUTH2_ACCESS_TOKEN`
              STRAIGHT_JOIN `IDN_OIDC_REQ_OBJECT_REFERENCE` ON `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` = `IDN_OIDC_REQ_OBJECT_REFERENCE`.`TOKEN_ID`
              STRAIGHT_JOIN `IDN_OIDC_REQ_OBJECT_CLAIMS` ON `IDN_OIDC_REQ_OBJECT_REFERENCE`.`ID` = `IDN_OIDC_REQ_OBJECT_CLAIMS`.`REQ_OBJECT_ID`
              WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` >= v_tokens_from
              AND `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` <= v_tokens_through
              AND (p_policy = 'documented'
                AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED', 'EXPIRED')
                  OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                  AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                    OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                    OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))
                OR p_policy = 'strict'
                AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED')
                  OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('EXPIRED')
                  AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                    OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                    OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)
                  OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                  AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                    OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                    OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)));
            DELETE
              FROM `IDN_OAUTH2_ACCESS_TOKEN`
              WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` >= v_tokens_from
              AND `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` <= v_tokens_through
              AND (p_policy = 'documented'
                AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED', 'EXPIRED')
                  OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                  AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                    OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                    OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))
                OR p_policy = 'strict'
                AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED')
                  OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('EXPIRED')
                  AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                    OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                    OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)
                  OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                  AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                    OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                    OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)));
            SET v_removed = ROW_COUNT();
            IF v_removed <> v_locked THEN
              -- A row became removable after the others were locked: it would be gone without what belongs to it. Half the keys are done in
              -- half the time, so the chance for that falls with the square of their number.
              ROLLBACK;
              SET v_taken_back = v_taken_back + 1, v_mismatches = CASE WHEN v_keys > 1 THEN 0 ELSE v_mismatches + 1 END;
              IF v_mismatches >= 3 THEN
                SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'tokensweep: a row alone was rolled back 3 times in a row: something changes it without pause, call again at a quieter time';
              END IF;
              SET v_size = GREATEST(1, v_keys DIV 2);
              ITERATE tokens;
            END IF;
            UPDATE `TOKENSWEEP_RUNS` SET EXAMINED = v_tokens_examined + v_keys, REMOVED = REMOVED + v_removed, BATCHES = BATCHES + (v_removed > 0)
            WHERE RUN_ID = v_run_id AND PHASE = 'tokens';
            COMMIT;
            SET v_tokens_removed = v_tokens_removed + v_removed, v_tokens_batches = v_tokens_batches + (v_removed > 0), v_hits = 0;
            IF p_sleep > 0 AND SLEEP(p_sleep) <> 0 THEN
              SET v_stopped = 'a KILL QUERY';
            END IF;
          END;
        END WHILE;
        SET v_tokens_examined = v_tokens_examined + v_keys, v_size = LEAST(p_batch, 2 * v_size), v_mismatches = 0;
        IF v_stopped IS NOT NULL THEN
          LEAVE tokens;
        END IF;
        SET v_tokens_from = NULL;
        SELECT `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID`
          FROM `IDN_OAUTH2_ACCESS_TOKEN`
          WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` > v_tokens_through
          ORDER BY `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID`
          LIMIT 1
        INTO v_tokens_from;
      END WHILE tokens;
      IF NOT p_dry_run THEN
        UPDATE `TOKENSWEEP_RUNS` SET EXAMINED = v_tokens_examined, ENDED_AT = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'),
          OUTCOME = COALESCE(CONCAT('stopped: ', v_stopped), 'done')
        WHERE RUN_ID = v_run_id AND PHASE = 'tokens';
      END IF;
    END IF;

    -- authorization codes, in the order of their primary key.
    IF v_stopped IS NULL THEN
      IF NOT p_dry_run THEN
        UPDATE `TOKENSWEEP_RUNS` SET STARTED_AT = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s') WHERE RUN_ID = v_run_id AND PHASE = 'authorization codes';
      END IF;
      SET v_size = p_batch, v_codes_from = NULL; -- and not by SET v = (SELECT …), which would lock the row
      SELECT `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID`
        FROM `IDN_OAUTH2_AUTHORIZATION_CODE`
        ORDER BY `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID`
        LIMIT 1
      INTO v_codes_from;
      codes: WHILE v_codes_from IS NOT NULL DO
        IF p_max_seconds > 0 AND TIMESTAMPDIFF(SECOND, v_started, UTC_TIMESTAMP(6)) >= p_max_seconds THEN
          SET v_stopped = CONCAT('the time limit of ', p_max_seconds, ' s');
          LEAVE codes;
        END IF;

        -- How far the next keys reach, and whether there is anything to remove among them.
        SELECT COUNT(*), COALESCE(SUM(w.hit), 0), MAX(w.id)
          FROM (SELECT `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` AS id, CASE WHEN (NOT EXISTS (SELECT 1
                FROM `IDN_OAUTH2_ACCESS_TOKEN`
                WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` = `IDN_OAUTH2_AUTHORIZATION_CODE`.`TOKEN_ID`
                AND CASE WHEN (p_policy = 'documented'
                  AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED', 'EXPIRED')
                    OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                    AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                    AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                      OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                      OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                      THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                      > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))
                  OR p_policy = 'strict'
                  AND (CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('INACTIVE', 'REVOKED')
                    OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('EXPIRED')
                    AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                      OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                      OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                      THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                      > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)
                    OR CAST(`IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_STATE` AS BINARY) IN ('ACTIVE')
                    AND CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1
                    AND (`IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` IS NULL
                      OR `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN` = ''
                      OR CASE WHEN `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` < 99999999999990
                      THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                      > 1000 * `IDN_OAUTH2_ACCESS_TOKEN`.`REFRESH_TOKEN_VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1))) THEN 0 ELSE 1 END = 1)
              AND (CAST(`IDN_OAUTH2_AUTHORIZATION_CODE`.`STATE` AS BINARY) IN ('INACTIVE')
                OR CASE WHEN `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` < 99999999999990
                THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_AUTHORIZATION_CODE`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                > 1000 * `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)) THEN 1 ELSE 0 END AS hit
            FROM `IDN_OAUTH2_AUTHORIZATION_CODE`
            WHERE `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` >= v_codes_from
            ORDER BY `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID`
            LIMIT v_size) AS w
        INTO v_keys, v_hits, v_codes_through;
        SET v_attempts = 0;
        IF p_dry_run THEN
          SET v_codes_removed = v_codes_removed + v_hits, v_hits = 0;
        END IF;

        WHILE v_hits > 0 DO
          BEGIN
            -- A deadlock, a lock not had in time (1020 is MariaDB's word for a row that has changed): the batch again.
            DECLARE EXIT HANDLER FOR 1213, 1205, 1020
            BEGIN
              GET DIAGNOSTICS CONDITION 1 v_known = MYSQL_ERRNO;
              ROLLBACK;
              SET v_attempts = v_attempts + 1, v_deadlocks = v_deadlocks + (v_known <> 1205), v_timeouts = v_timeouts + (v_known = 1205);
              IF v_attempts >= 10 THEN
                RESIGNAL;
              END IF;
              DO SLEEP(LEAST(5, 0.02 * POW(2, v_attempts)) * (0.5 + RAND()));
            END;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            START TRANSACTION READ WRITE;
            SET v_at = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s');
            SELECT COUNT(*)
              FROM (SELECT `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID`
                FROM `IDN_OAUTH2_AUTHORIZATION_CODE`
                WHERE `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` >= v_codes_from
                AND `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` <= v_codes_through
                AND (NOT EXISTS (SELECT 1
                    FROM `IDN_OAUTH2_ACCESS_TOKEN`
                    WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` = `IDN_OAUTH2_AUTHORIZATION_CODE`.`TOKEN_ID`)
                  AND (CAST(`IDN_OAUTH2_AUTHORIZATION_CODE`.`STATE` AS BINARY) IN ('INACTIVE')
                    OR CASE WHEN `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` < 99999999999990
                    THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_AUTHORIZATION_CODE`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                    > 1000 * `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1)) FOR UPDATE) AS w
            INTO v_locked;
            DELETE `IDN_OIDC_REQ_OBJECT_CLAIMS`
              FROM `IDN_OAUTH2_AUTHORIZATION_CODE`
              STRAIGHT_JOIN `IDN_OIDC_REQ_OBJECT_REFERENCE` ON `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` = `IDN_OIDC_REQ_OBJECT_REFERENCE`.`CODE_ID`
              STRAIGHT_JOIN `IDN_OIDC_REQ_OBJECT_CLAIMS` ON `IDN_OIDC_REQ_OBJECT_REFERENCE`.`ID` = `IDN_OIDC_REQ_OBJECT_CLAIMS`.`REQ_OBJECT_ID`
              WHERE `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` >= v_codes_from
              AND `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` <= v_codes_through
              AND (NOT EXISTS (SELECT 1
                  FROM `IDN_OAUTH2_ACCESS_TOKEN`
                  WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` = `IDN_OAUTH2_AUTHORIZATION_CODE`.`TOKEN_ID`)
                AND (CAST(`IDN_OAUTH2_AUTHORIZATION_CODE`.`STATE` AS BINARY) IN ('INACTIVE')
                  OR CASE WHEN `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_AUTHORIZATION_CODE`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1));
            DELETE
              FROM `IDN_OAUTH2_AUTHORIZATION_CODE`
              WHERE `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` >= v_codes_from
              AND `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` <= v_codes_through
              AND (NOT EXISTS (SELECT 1
                  FROM `IDN_OAUTH2_ACCESS_TOKEN`
                  WHERE `IDN_OAUTH2_ACCESS_TOKEN`.`TOKEN_ID` = `IDN_OAUTH2_AUTHORIZATION_CODE`.`TOKEN_ID`)
                AND (CAST(`IDN_OAUTH2_AUTHORIZATION_CODE`.`STATE` AS BINARY) IN ('INACTIVE')
                  OR CASE WHEN `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` >= 0 AND `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` < 99999999999990
                  THEN CASE WHEN TIMESTAMPDIFF(MICROSECOND, `IDN_OAUTH2_AUTHORIZATION_CODE`.`TIME_CREATED`, CAST(v_cut_off AS DATETIME))
                  > 1000 * `IDN_OAUTH2_AUTHORIZATION_CODE`.`VALIDITY_PERIOD` THEN 1 ELSE 0 END ELSE 0 END = 1));
            SET v_removed = ROW_COUNT();
            IF v_removed <> v_locked THEN
              -- A row became removable after the others were locked: it would be gone without what belongs to it. Half the keys are done in
              -- half the time, so the chance for that falls with the square of their number.
              ROLLBACK;
              SET v_taken_back = v_taken_back + 1, v_mismatches = CASE WHEN v_keys > 1 THEN 0 ELSE v_mismatches + 1 END;
              IF v_mismatches >= 3 THEN
                SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'tokensweep: a row alone was rolled back 3 times in a row: something changes it without pause, call again at a quieter time';
              END IF;
              SET v_size = GREATEST(1, v_keys DIV 2);
              ITERATE codes;
            END IF;
            UPDATE `TOKENSWEEP_RUNS` SET EXAMINED = v_codes_examined + v_keys, REMOVED = REMOVED + v_removed, BATCHES = BATCHES + (v_removed > 0)
            WHERE RUN_ID = v_run_id AND PHASE = 'authorization codes';
            COMMIT;
            SET v_codes_removed = v_codes_removed + v_removed, v_codes_batches = v_codes_batches + (v_removed > 0), v_hits = 0;
            IF p_sleep > 0 AND SLEEP(p_sleep) <> 0 THEN
              SET v_stopped = 'a KILL QUERY';
            END IF;
          END;
        END WHILE;
        SET v_codes_examined = v_codes_examined + v_keys, v_size = LEAST(p_batch, 2 * v_size), v_mismatches = 0;
        IF v_stopped IS NOT NULL THEN
          LEAVE codes;
        END IF;
        SET v_codes_from = NULL;
        SELECT `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID`
          FROM `IDN_OAUTH2_AUTHORIZATION_CODE`
          WHERE `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID` > v_codes_through
          ORDER BY `IDN_OAUTH2_AUTHORIZATION_CODE`.`CODE_ID`
          LIMIT 1
        INTO v_codes_from;
      END WHILE codes;
      IF NOT p_dry_run THEN
        UPDATE `TOKENSWEEP_RUNS` SET EXAMINED = v_codes_examined, ENDED_AT = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'),
          OUTCOME = COALESCE(CONCAT('stopped: ', v_stopped), 'done')
        WHERE RUN_ID = v_run_id AND PHASE = 'authorization codes';
      END IF;
    END IF;
    UPDATE `TOKENSWEEP_RUNS` SET ENDED_AT = DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'), OUTCOME = CONCAT('stopped: ', v_stopped)
    WHERE RUN_ID = v_run_id AND ENDED_AT IS NULL;
  END;

  -- 4. Give everything back, and say what was done. In a dry run REMOVED is what would have been.
  IF v_lock IS NOT NULL THEN
    DO RELEASE_LOCK(v_lock);
  END IF;
  SET SESSION autocommit = v_autocommit, sql_safe_updates = v_safe_updates, sql_big_selects = v_big_selects,
    foreign_key_checks = v_foreign_key_checks, unique_checks = v_unique_checks,
    innodb_lock_wait_timeout = v_row_wait, lock_wait_timeout = v_table_wait;
  SELECT v_run_id AS RUN_ID, p_policy AS POLICY, v_cut_off AS CUT_OFF, p_audit AS AUDIT, p_dry_run AS DRY_RUN,
    v_tokens_examined AS TOKENS_EXAMINED, v_tokens_removed AS TOKENS_REMOVED,
    v_tokens_held AS TOKENS_HELD, v_tokens_batches AS TOKENS_BATCHES,
    v_codes_examined AS CODES_EXAMINED, v_codes_removed AS CODES_REMOVED,
    v_codes_held AS CODES_HELD, v_codes_batches AS CODES_BATCHES,
    v_deadlocks AS DEADLOCKS, v_timeouts AS LOCK_TIMEOUTS, v_taken_back AS MISMATCHES,
    TIMESTAMPDIFF(MICROSECOND, v_started, UTC_TIMESTAMP(6)) / 1000000 AS SECONDS, v_stopped AS STOPPED;
END//

DELIMITER ;

SET SESSION sql_mode = @tokensweep_sql_mode, sql_big_selects = @tokensweep_big_selects;
