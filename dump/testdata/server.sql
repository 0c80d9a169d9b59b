-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: 
-- ------------------------------------------------------
-- Server version	8.0.36

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;
SET @@SESSION.SQL_LOG_BIN= 0;

--
-- GTID state at the beginning of the backup 
--

SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'f03444a1-e888-11f1-989f-0242ac110002:1-20';

--
-- Position to start replication or point-in-time recovery from
--

CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='binlog.000002', SOURCE_LOG_POS=157;

--
-- Current Database: `mysql`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `mysql` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci */ /*!80016 DEFAULT ENCRYPTION='N' */;

USE `mysql`;
DROP TABLE IF EXISTS `component`;
CREATE TABLE `component` (
  `component_id` int unsigned NOT NULL
) ENGINE=InnoDB;
/*!50001 SET collation_connection = no_such_collation */;
FLUSH PRIVILEGES;

--
-- Current Database: `apim_db`
--

/*!40000 DROP DATABASE IF EXISTS `apim_db`*/;

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `apim_db` /*!40100 DEFAULT CHARACTER SET latin1 COLLATE latin1_bin */;

USE `apim_db`;

DROP TABLE IF EXISTS `IDN_OAUTH2_ACCESS_TOKEN`;
CREATE TABLE `IDN_OAUTH2_ACCESS_TOKEN` (
  `TOKEN_ID` varchar(255) NOT NULL,
  `TIME_CREATED` timestamp NOT NULL DEFAULT '0000-00-00 00:00:00',
  `TOKEN_STATE` varchar(25) DEFAULT 'ACTIVE',
  PRIMARY KEY (`TOKEN_ID`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_bin;

LOCK TABLES `IDN_OAUTH2_ACCESS_TOKEN` WRITE;
/*!40000 ALTER TABLE `IDN_OAUTH2_ACCESS_TOKEN` DISABLE KEYS */;
INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES ('t1','2026-01-01 00:00:00','ACTIVE'),('t2','2026-01-02 00:00:00','EXPIRED'),('t3','0000-00-00 00:00:00','REVOKED');
/*!40000 ALTER TABLE `IDN_OAUTH2_ACCESS_TOKEN` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Dumping events for database 'apim_db'
--
/*!50106 SET @save_time_zone= @@TIME_ZONE */ ;
/*!50106 DROP EVENT IF EXISTS `clean` */;
DELIMITER ;;
/*!50003 SET @saved_time_zone      = @@time_zone */ ;;
/*!50003 SET time_zone             = 'SYSTEM' */ ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ /*!50106 EVENT `clean` ON SCHEDULE EVERY 1 SECOND ON COMPLETION NOT PRESERVE ENABLE DO BEGIN
  DELETE FROM IDN_OAUTH2_ACCESS_TOKEN; -- all of them
END */ ;;
/*!50003 SET time_zone             = @saved_time_zone */ ;;
DELIMITER ;
/*!50106 SET TIME_ZONE= @save_time_zone */ ;

--
-- Final view structure for view `V_FAR`
--

/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`reporting`@`10.%` SQL SECURITY DEFINER */
/*!50001 VIEW `V_FAR` AS select `shared_db`.`REG_LOG`.`TXT` AS `TXT` from `shared_db`.`REG_LOG` */;

--
-- Current Database: `shared_db`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shared_db` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;

USE `shared_db`;

CREATE TABLE `REG_LOG` (
  `ID` int NOT NULL,
  `TXT` text
) ENGINE=InnoDB;
INSERT INTO `REG_LOG` VALUES (1,'USE `apim_db`;'),(2,'-- Dump completed');
CREATE USER `evil`@`%` IDENTIFIED BY 'x';
GRANT ALL ON *.* TO `evil`@`%`;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;

-- Dump completed on 2026-11-25  4:36:08
