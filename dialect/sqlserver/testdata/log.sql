SELECT CAST(u.used_log_space_in_percent AS FLOAT), 100E0 * u.used_log_space_in_bytes / (8192E0 * f.largest), d.recovery_model_desc, d.log_reuse_wait_desc
  FROM sys.dm_db_log_space_usage AS u
  CROSS JOIN (SELECT SUM(CASE WHEN growth = 0
  OR max_size = 0 THEN size WHEN max_size = -1 THEN 268435456 ELSE max_size END) AS largest
  FROM sys.database_files
  WHERE type = 1) AS f
  CROSS JOIN sys.databases AS d
  WHERE d.database_id = DB_ID();

