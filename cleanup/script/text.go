package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// largest is the size of a script in bytes that is read. The vendor's have 30 kB.
const largest = 16 << 20

// readText reads a file as text without a byte order mark.
func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", refuse(0, "", "cannot open the script: %v", withoutPath(err))
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return "", refuse(0, "", "cannot read the script: %v", withoutPath(err))
	}
	if len(raw) > largest {
		return "", refuse(0, "give the file with the procedure alone", "the file has more than %d MiB: a clean-up script is a few pages", largest>>20)
	}
	s, err := decode(raw)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(s) == "" {
		return "", refuse(0, "", "the file is empty")
	}
	return s, nil
}

// withoutPath leaves out the path, which the message has already.
func withoutPath(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// decode makes text of UTF-8 and of UTF-16, which Management Studio writes.
func decode(raw []byte) (string, error) {
	switch {
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}), bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		s, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(raw)
		if err != nil || bytes.ContainsRune(s, utf8.RuneError) {
			return "", refuse(0, "save it as UTF-8", "the file begins like UTF-16 and is none")
		}
		raw = s
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		return "", refuse(lineAt(raw, i), "save it as UTF-8", "the file holds a zero byte: it is no text, or UTF-16 without a byte order mark")
	}
	if _, i, err := transform.Bytes(encoding.UTF8Validator, raw); err != nil {
		return "", refuse(lineAt(raw, i), "save it as UTF-8", "the byte 0x%02x is no UTF-8", raw[i])
	}
	return string(raw), nil
}

func lineAt(raw []byte, offset int) int64 { return int64(bytes.Count(raw[:offset], []byte{'\n'})) + 1 }

// shorten is the beginning of a text in quotes, for a message.
func shorten(s string) string {
	const most = 40
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
