// Package mysqltext reads SQL text for MySQL and MariaDB as the mysql client does.
// It knows no server and no file: [Splitter] cuts a text into statements, [Lexer]
// takes a statement apart.
package mysqltext
