package mysql_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/mysql"
)

func TestParseTable(t *testing.T) {
	t.Parallel()
	d := mysql.Dialect{}
	text := "CREATE TABLE `t``x` (\n  `ID` int NOT NULL AUTO_INCREMENT,\n  `KEY` varchar(9) DEFAULT NULL COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=4',\n" +
		"  `V` int DEFAULT NULL,\n  PRIMARY KEY (`ID`),\n  UNIQUE KEY `u``u` (`V` DESC),\n  KEY `k` (`KEY`(5)) USING BTREE,\n" +
		"  CONSTRAINT `t``x_ibfk_2` FOREIGN KEY (`V`, `ID`) REFERENCES `o`.`p` (`A`, `B`) ON DELETE SET NULL ON UPDATE CASCADE,\n" +
		"  CONSTRAINT `t_chk_1` CHECK ((`V` > 0))\n) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=latin1 COMMENT=' AUTO_INCREMENT=3'"
	got, err := d.ParseTable(text)
	require.NoError(t, err)
	require.Equal(t, dialect.TableText{
		Text: "CREATE TABLE\n  `ID` int NOT NULL AUTO_INCREMENT\n  `KEY` varchar(9) DEFAULT NULL COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=4'\n" +
			"  `V` int DEFAULT NULL\n  PRIMARY KEY (`ID`)\n  UNIQUE KEY `u``u` (`V` DESC)\n  KEY `k` (`KEY`(5)) USING BTREE\n  CHECK 1 ((`V` > 0))\n" +
			") ENGINE=InnoDB DEFAULT CHARSET=latin1 COMMENT=' AUTO_INCREMENT=3'",
		NextID:  "77",
		Indexes: []dialect.Named{{Name: "u`u", Text: "UNIQUE KEY `u``u` (`V` DESC)"}, {Name: "k", Text: "KEY `k` (`KEY`(5)) USING BTREE"}},
		Keys: []dialect.KeyText{{Name: "t`x_ibfk_2", Columns: "(`V`, `ID`)", RefTable: "`o`.`p`",
			Rest: "(`A`, `B`) ON DELETE SET NULL ON UPDATE CASCADE"}},
	}, got)
	require.Equal(t, "CONSTRAINT `n` FOREIGN KEY (`V`, `ID`) REFERENCES `q` (`A`, `B`) ON DELETE SET NULL ON UPDATE CASCADE", d.AddKey(got.Keys[0], "n", "q"))

	_, err = d.ParseTable("CREATE ALGORITHM=UNDEFINED VIEW `v` AS select 1")
	require.ErrorContains(t, err, "not the definition of a base table")
}

func TestNamesKeys(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"T_ibfk_12": "_ibfk_12", "T_ibfk_": "", "T_ibfk_1x": "", "FK_T": "", "U_ibfk_1": ""} {
		suffix, ok := mysql.Dialect{}.NamesKeys("T", key)
		require.Equal(t, want != "", ok, key)
		if ok {
			require.Equal(t, want, suffix)
		}
	}
}

func TestCreateTrigger(t *testing.T) {
	t.Parallel()
	trigger := dialect.TriggerText{Timing: "BEFORE", Event: "INSERT", Definer: "a@b@h", SQLMode: "ANSI_QUOTES", Charset: "latin1", Collation: "latin1_bin", Body: "SET @x = 1"}
	require.Equal(t, []string{"SET SESSION sql_mode = 'ANSI_QUOTES'", "SET SESSION character_set_client = latin1, collation_connection = latin1_bin",
		"CREATE DEFINER=`a@b`@`h` TRIGGER `n` BEFORE INSERT ON `t` FOR EACH ROW SET @x = 1"}, mysql.Dialect{}.CreateTrigger(trigger, "n", "t"))
	trigger.Definer = "role@"
	require.Contains(t, mysql.Dialect{}.CreateTrigger(trigger, "n", "t")[2], "CREATE DEFINER=`role` TRIGGER")
	require.True(t, trigger.Plain())
	trigger.Body = "SET @x = 'ä'"
	require.False(t, trigger.Plain())
	trigger.Charset = "utf8mb4"
	require.True(t, trigger.Plain())
}
