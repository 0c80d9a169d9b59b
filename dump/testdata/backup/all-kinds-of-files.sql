RESTORE DATABASE [a]]b/c d] FROM DISK = N'\\backup\it''s here\prod.bak'
WITH FILE = 3,
     MOVE N'WSO2AM_DB' TO N'C:\Program Files\Microsoft SQL Server\MSSQL16.MSSQLSERVER\MSSQL\DATA\a_b_c_d_1.mdf',
     MOVE N'WSO2AM_DB_log' TO N'C:\Program Files\Microsoft SQL Server\MSSQL16.MSSQLSERVER\MSSQL\DATA\a_b_c_d_2.ldf',
     MOVE N'indexes' TO N'C:\Program Files\Microsoft SQL Server\MSSQL16.MSSQLSERVER\MSSQL\DATA\a_b_c_d_3.ndf',
     MOVE N'more logs' TO N'C:\Program Files\Microsoft SQL Server\MSSQL16.MSSQLSERVER\MSSQL\DATA\a_b_c_d_4.ldf',
     MOVE N'O''Hara''s files' TO N'C:\Program Files\Microsoft SQL Server\MSSQL16.MSSQLSERVER\MSSQL\DATA\a_b_c_d_65537',
     MOVE N'sysft_catalog' TO N'C:\Program Files\Microsoft SQL Server\MSSQL16.MSSQLSERVER\MSSQL\DATA\a_b_c_d_65539',
     RECOVERY, STATS = 5
