-- tokensweep schedule mysql: an event that calls TOKENSWEEP_CLEAN every week from 2026-11-29 02:30:00 on, Europe/Berlin.
-- NOTE: 2026-10-04 02:30:00 is over: the first run is the next of its times, 2026-11-29 02:30:00.
-- NOTE: 2027-03-28 02:30:00 does not exist in Europe/Berlin: its clocks go from 02:00 to 03:00 that day: that run is when the clocks have changed, or the first time of two.
-- NOTE: 2027-10-31 02:30:00 comes twice in Europe/Berlin: its clocks go back from 03:00 to 02:00 that day: that run is when the clocks have changed, or the first time of two.
--
-- Before it: the procedure (tokensweep procedure mysql --print).
-- Rights: EVENT on the schema, to make it. The event runs with the rights of its definer, `clean'er`@`%`: that account
-- needs EXECUTE on the procedure. The procedure works with the rights of its own definer (SQL SECURITY DEFINER). If one of
-- the two accounts is dropped, every run fails, and only the server's error log says so.
-- The scheduler must be on, and stay on after a restart:
--   MySQL:   SET PERSIST event_scheduler = ON;
--   MariaDB: SET GLOBAL event_scheduler = ON; and event_scheduler = ON under [mysqld] in my.cnf
-- Two runs never work at once: where another clean-up of the schema is under way, the event leaves it alone, without
-- an error. If a run often takes longer than the interval, limit it (--max-duration) or choose a longer interval.
-- An event of this name is not replaced: if it is an older one of yours, DROP EVENT `apim``db`.`odd ``name``` first.

-- The event keeps the time zone and the sql_mode of the session that makes it.
SET @tokensweep_time_zone = @@SESSION.time_zone, @tokensweep_sql_mode = @@SESSION.sql_mode;
SET SESSION time_zone = 'Europe/Berlin';
SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';
DELIMITER //
CREATE DEFINER = `clean'er`@`%` EVENT `apim``db`.`odd ``name```
  ON SCHEDULE EVERY 1 WEEK STARTS '2026-11-29 02:30:00'
  ON COMPLETION PRESERVE ENABLE
  COMMENT 'tokensweep schedule'
  DO BEGIN
    -- The tokens' wall clocks are read in the time zone of those who write them, whatever the zone of the schedule.
    SET SESSION time_zone = 'Asia/Colombo';
    -- Not while another clean-up holds the lock of this schema.
    IF COALESCE(IS_FREE_LOCK(CONCAT('tokensweep-', LEFT(SHA2(LOWER(DATABASE()), 256), 32))), 1) THEN
      CALL `TOKENSWEEP_CLEAN`('strict', 14400, NULL, 500, 0.250, 1800, 1, 0);
    END IF;
  END//
DELIMITER ;
SET SESSION time_zone = @tokensweep_time_zone, sql_mode = @tokensweep_sql_mode;
