package script

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
)

// fate is what becomes of a command to the mysql client.
type fate struct {
	names string
	// remedy says what to do about one that cannot be left out; "" if it can.
	remedy string
}

// clientCommands are the commands of the mysql client, in its long and short forms.
var clientCommands = []fate{
	{names: `tee \T notee \t pager \P nopager \n warnings \W nowarning \w status \s rehash \# prompt \R print \p clear \c help \h ? \? go \g ego \G charset \C`},
	{`source \.`, "put the file's text here"},
	{`system \!`, "take the line out: no command of the operating system is run"},
	{`connect \r`, "take the line out: the script is run in a throw-away database"},
	{`resetconnection \x`, "take the line out: the script is run in one session"},
	{`edit \e query_attributes ssl_session_data_print`, "take the line out"},
	{`exit quit \q`, "take the line out, and what follows it if it is not to be run"},
}

// verbs begin statements that a script may hold.
var verbs = words("SELECT WITH VALUES TABLE INSERT REPLACE UPDATE DELETE CREATE ALTER DROP TRUNCATE RENAME SET CALL DO SHOW DESC DESCRIBE EXPLAIN ANALYZE" +
	" OPTIMIZE CHECK CHECKSUM REPAIR PREPARE EXECUTE DEALLOCATE START BEGIN COMMIT ROLLBACK SAVEPOINT RELEASE LOCK UNLOCK SIGNAL GET FLUSH GRANT REVOKE (")

// serverVerbs begin statements about the whole server or its files.
var serverVerbs = words("SHUTDOWN RESTART KILL INSTALL UNINSTALL PURGE RESET CHANGE STOP CLONE IMPORT LOAD BINLOG HANDLER XA CACHE")

// bodyVerbs begin statements that only a routine has.
var bodyVerbs = words("DECLARE IF ELSEIF ELSE END FETCH OPEN CLOSE LOOP REPEAT UNTIL WHILE LEAVE ITERATE RETURN CASE")

func words(list string) map[string]bool {
	is := map[string]bool{}
	for _, w := range strings.Fields(list) {
		is[w] = true
	}
	return is
}

// readMySQL reads what the mysql client would send to the server.
func (f *File) readMySQL(s string) error {
	split := mysqltext.NewSplitter(strings.NewReader(s), 4*largest)
	ended := int64(0) // the line of EXIT
	split.Command = func(line int64, command string) (bool, error) {
		if ended > 0 {
			return false, refuse(ended, clientCommands[len(clientCommands)-1].remedy, "the client would stop here, and line %d would never be run", line)
		}
		return f.clientCommand(split, line, command, &ended)
	}
	for {
		st, err := split.Next()
		var cut *mysqltext.Fault
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &cut) && cut.Inside == mysqltext.InText:
			return f.addMySQL(string(bytes.TrimSpace(cut.Rest)), cut.Begins) // the client sends it too
		case errors.As(err, &cut) && cut.Problem == mysqltext.Incomplete:
			return refuse(cut.Begins+opened(string(cut.Rest)), "copy the file again", "the file ends inside %s that begins here", cut.Inside)
		case errors.As(err, &cut):
			return refuse(cut.Line, "", "%v", cut)
		case err != nil:
			return err
		}
		if err := f.addMySQL(string(st.Text), st.Line); err != nil {
			return err
		}
	}
}

// opened is the line, counted from its first one, in which the quoted text or
// comment begins that a text ends in.
func opened(s string) int64 {
	all := tokenizeMySQL(s)
	if len(all) == 0 {
		return 0
	}
	last := all[len(all)-1]
	if last.to == len(s) && (last.kind == text || last.kind == name) {
		return lineOf(s, last.from)
	}
	return lineOf(s, last.to+max(0, strings.Index(s[last.to:], "/*")))
}

// clientCommand says of a line whether it is a command to the client.
func (f *File) clientCommand(split *mysqltext.Splitter, line int64, command string, ended *int64) (bool, error) {
	first, rest, _ := strings.Cut(command, " ")
	if strings.HasPrefix(first, `\`) && len(first) > 2 { // \.file
		first, rest = first[:2], first[2:]
	}
	if strings.EqualFold(first, "use") || first == `\u` {
		f.note(line, "USE "+strings.TrimSpace(rest)+" is left out: the script is run in the throw-away schema")
		return true, nil
	}
	if first == `\d` && strings.TrimSpace(rest) != "" {
		split.SetDelimiter(strings.Fields(rest)[0])
		return true, nil
	}
	for _, c := range clientCommands {
		for _, n := range strings.Fields(c.names) {
			if n != first && (strings.HasPrefix(n, `\`) || !strings.EqualFold(n, first)) {
				continue
			}
			if strings.Contains(c.names, "exit") {
				*ended = line
			} else if c.remedy != "" {
				return false, refuse(line, c.remedy, "%s is a command to the mysql client, which is not followed here", first)
			}
			f.note(line, first+" is a command to the mysql client, and left out")
			return true, nil
		}
	}
	if strings.HasPrefix(first, `\`) {
		return false, refuse(line, "take the line out", "%s is no command of the mysql client that is known here", shorten(command))
	}
	return false, nil
}

// addMySQL takes a statement in, leaves it out with a note, or refuses it.
func (f *File) addMySQL(s string, line int64) error {
	st := statement{text: s, line: line, count: 1, tokens: tokenizeMySQL(s)}
	if len(st.tokens) == 0 {
		return nil
	}
	first := st.tokens[0].text
	switch {
	case serverVerbs[first]:
		return refuse(line, "take it out: only the throw-away schema may be changed", "%s is about the whole server, or its files", shorten(s))
	case bodyVerbs[first]:
		return refuse(line, "write DELIMITER $$ in front of the procedure, and $$ behind its END", "%s stands outside of a procedure", shorten(s))
	case !verbs[first]:
		return refuse(line, "", "%s is neither a statement of MySQL nor a command to its client that is known here", shorten(s))
	}
	if what := beyondSchema(st.tokens); what != "" {
		f.note(line, what+" is left out: only the throw-away schema is changed")
		return nil
	}
	if err := st.refuseServer(); err != nil {
		return err
	}
	f.statements = append(f.statements, st)
	return nil
}

// beyondSchema names a statement about users, schemas, schedules or the whole
// server that the clean-up itself can do without; "" for any other.
func beyondSchema(t []token) string {
	object := func(words ...string) bool {
		for i := 1; i < len(t) && i < 8 && t[0].is("CREATE", "ALTER", "DROP", "RENAME"); i++ {
			switch {
			case t[i].is(words...):
				return true
			case t[i].is("PROCEDURE", "FUNCTION", "TABLE", "TRIGGER", "VIEW", "INDEX"):
				return false
			}
		}
		return false
	}
	switch {
	case t[0].is("GRANT", "REVOKE", "FLUSH"):
		return t[0].text
	case object("DATABASE", "SCHEMA", "USER", "ROLE", "SERVER", "TABLESPACE", "EVENT"):
		return "a statement about schemas, users or events"
	case t[0].is("SET") && setsServer(t[1:]):
		return "SET GLOBAL"
	}
	return ""
}

// setsServer reports whether what follows SET is about the whole server.
func setsServer(t []token) bool {
	return len(t) > 0 && (t[0].is("GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD") ||
		t[0].kind == word && (strings.HasPrefix(t[0].text, "@@GLOBAL.") || strings.HasPrefix(t[0].text, "@@PERSIST")))
}

// refuseServer refuses what a procedure may not do on the user's server.
func (st *statement) refuseServer() error {
	for i, t := range st.tokens {
		switch {
		case t.is("OUTFILE", "DUMPFILE"):
			return refuse(st.lineOf(t), "take it out", "%s writes a file on the server", t.text)
		case t.is("SET") && setsServer(st.tokens[i+1:]):
			return refuse(st.lineOf(t), "take it out: only the throw-away schema may be changed", "SET GLOBAL changes the whole server")
		}
	}
	return nil
}
