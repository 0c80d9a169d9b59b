package verify

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A pre-image file is zstd-compressed (which brings a checksum): magic, header
// as one line of JSON, then for each table in the order of layouts its rows,
// links and key texts.
const (
	fileMagic   = "tokensweep pre-image\n"
	fileVersion = 1
)

// Save writes the image to a file that did not exist before. A file that is
// there is complete: it is written beside and renamed.
func (im *Image) Save(path string) (err error) {
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s exists already: a pre-image is never overwritten, choose another name", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return fmt.Errorf("saving the pre-image: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("saving the pre-image to %s: %w", path, err)
		}
	}()
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(z, 1<<16)
	if err := im.write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), z.Close(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (im *Image) write(w *bufio.Writer) error {
	header, err := json.Marshal(im.Header)
	if err != nil {
		return err
	}
	if _, err := w.WriteString(fileMagic + string(header) + "\n"); err != nil {
		return err
	}
	for _, t := range im.tables {
		for _, s := range append([]*store{t.rows}, t.links...) {
			if err := s.writeTo(w); err != nil {
				return err
			}
		}
		if err := t.texts.writeTo(w); err != nil {
			return err
		}
	}
	return nil
}

// Load reads an image that Save wrote. A file that is something else, damaged
// or cut off is an error.
func Load(path string) (*Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading the pre-image: %w", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("loading the pre-image: %w", err)
	}
	defer z.Close()
	im := &Image{budget: &budget{left: spillLimit}}
	if err := im.read(bufio.NewReaderSize(z, 1<<16)); err != nil {
		im.Close()
		return nil, fmt.Errorf("%s is no pre-image, or it is damaged or cut off: %w", path, err)
	}
	return im, nil
}

func (im *Image) read(r *bufio.Reader) error {
	magic := make([]byte, len(fileMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return err
	}
	if string(magic) != fileMagic {
		return errors.New("it does not start like one")
	}
	header, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if err := json.NewDecoder(strings.NewReader(header)).Decode(&im.Header); err != nil {
		return err
	}
	if im.Version != fileVersion || im.Found == nil {
		return fmt.Errorf("its version is %d, this program reads version %d", im.Version, fileVersion)
	}
	for _, l := range layouts(im.Found) {
		t := &tableImage{layout: l, rows: newStore(im.budget)}
		im.tables = append(im.tables, t)
		if err := t.rows.readFrom(r); err != nil {
			return err
		}
		for range l.links {
			s := newStore(im.budget)
			t.links = append(t.links, s)
			if err := s.readFrom(r); err != nil {
				return err
			}
		}
		if t.texts, err = newTexts(); err != nil {
			return err
		}
		if err := t.texts.readFrom(r); err != nil {
			return err
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return errors.New("something follows its end")
	}
	return nil
}
