package page_test

import (
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// chromium returns the browser, and skips the test where there is none unless
// TOKENSWEEP_REQUIRE lists chromium.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	required := strings.FieldsFunc(strings.ToLower(os.Getenv("TOKENSWEEP_REQUIRE")), func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(required, "chromium") {
		t.Fatal("no chromium in the PATH, and TOKENSWEEP_REQUIRE lists it")
	}
	t.Skip("no chromium in the PATH: install the package chromium to test the page in a browser")
	return ""
}

// browse opens a file without a window and returns what the browser prints.
func browse(t *testing.T, file string, flags ...string) string {
	t.Helper()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--user-data-dir=" + t.TempDir()}, flags...)
	c := exec.CommandContext(t.Context(), chromium(t), append(args, "file://"+file)...)
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	require.NoError(t, err, complaints.String())
	return string(out)
}

func saved(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

// shot is a picture of the page. With TOKENSWEEP_SCREENSHOTS it stays in that
// folder, to be looked at.
func shot(t *testing.T, name, file string, width, height int, flags ...string) image.Image {
	t.Helper()
	folder := os.Getenv("TOKENSWEEP_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	picture := filepath.Join(folder, name+".png")
	browse(t, file, append(flags, "--screenshot="+picture, "--window-size="+strconv.Itoa(width)+","+strconv.Itoa(height))...)
	f, err := os.Open(picture)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	require.Equal(t, image.Pt(width, height), img.Bounds().Size())
	return img
}

// pixels counts those of about this colour.
func pixels(img image.Image, want color.RGBA) int {
	near := func(a uint32, b uint8) bool { d := int(a>>8) - int(b); return d > -40 && d < 40 }
	n := 0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); near(r, want.R) && near(g, want.G) && near(b, want.B) {
				n++
			}
		}
	}
	return n
}

var (
	lightBars = []color.RGBA{{R: 0x1f, G: 0x63, B: 0xd6}, {R: 0xc4, G: 0x56, B: 0x0b}, {R: 0x0e, G: 0x84, B: 0x64}, {R: 0x9a, G: 0x3a, B: 0x93}}
	darkBars  = []color.RGBA{{R: 0x6e, G: 0xa6, B: 0xff}, {R: 0xff, G: 0x9a, B: 0x55}, {R: 0x4a, G: 0xcb, B: 0xa4}, {R: 0xdd, G: 0x8b, B: 0xd7}}
)

func TestBrowserDrawsEveryEngine(t *testing.T) {
	file := saved(t, write(t, history(0.9, 3, 7), options))
	for name, c := range map[string]struct {
		width, height int
		bars          []color.RGBA
		ground        color.RGBA
		flags         []string
	}{
		"phone":   {390, 1500, lightBars, color.RGBA{R: 255, G: 255, B: 255}, nil},
		"desktop": {1280, 1700, lightBars, color.RGBA{R: 255, G: 255, B: 255}, nil},
		"dark":    {1280, 1700, darkBars, color.RGBA{R: 0x13, G: 0x16, B: 0x1a}, []string{"--blink-settings=preferredColorScheme=0"}},
	} {
		t.Run(name, func(t *testing.T) {
			img := shot(t, name, file, c.width, c.height, c.flags...)
			for _, bar := range c.bars {
				require.Greater(t, pixels(img, bar), 150, "no bar or line of colour %v", bar)
			}
			require.Greater(t, pixels(img, c.ground), c.width*c.height/2, "the ground")
		})
	}
}

// What the browser makes of the page is what was meant: it drops nothing, and the
// records' texts stay texts.
func TestBrowserUnderstandsThePage(t *testing.T) {
	dom := browse(t, saved(t, write(t, history(1), options)), "--dump-dom")
	require.Contains(t, dom, "<strong>PASS</strong>")
	require.Equal(t, 5, strings.Count(dom, "<figure>"))
	require.Equal(t, strings.Count(dom, "<svg"), strings.Count(dom, "</svg>"))
	require.Contains(t, dom, "--where \"1=1\" --bulk-delete")
}

// Wide tables scroll inside of the page; the page itself never does. The page
// stands in a frame, because a window of the browser is never narrower than 500.
func TestPageFitsItsWindow(t *testing.T) {
	const script = `<script>addEventListener("load", () => { parent.document.body.dataset["w" + innerWidth] = [document.documentElement.scrollWidth,
		[...document.querySelectorAll("figure svg")].filter(s => s.getBoundingClientRect().width > 0).length].join(":") })</script></body>`
	text := write(t, history(0.9, 3), options)
	text = strings.Replace(regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAllString(text, ""), "</body>", script, 1)
	widths := []int{320, 390, 700, 1280}
	frames := "<!doctype html><body>"
	for _, width := range widths {
		frames += fmt.Sprintf(`<iframe style="border:0;width:%dpx;height:800px" srcdoc="%s"></iframe>`, width, html.EscapeString(text))
	}
	dom := browse(t, saved(t, frames+"</body>"), "--dump-dom", "--window-size=1300,900")
	for _, width := range widths {
		found := regexp.MustCompile(fmt.Sprintf(`data-w%d="(\d+):(\d+)"`, width)).FindStringSubmatch(dom)
		require.NotNil(t, found, "width %d", width)
		require.Equal(t, strconv.Itoa(width), found[1], "the page is wider than its window")
		require.Equal(t, "5", found[2], "of each plot one drawing shows")
	}
}

func TestPageGoesToPaper(t *testing.T) {
	folder := os.Getenv("TOKENSWEEP_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	paper := filepath.Join(folder, "paper.pdf")
	browse(t, saved(t, write(t, history(1), options)), "--no-pdf-header-footer", "--print-to-pdf="+paper)
	pdf, err := os.ReadFile(paper)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(pdf), "%PDF-"))
	sheets := len(regexp.MustCompile(`/Type\s*/Page\b[^s]`).FindAll(pdf, -1))
	require.Greater(t, sheets, 2)
	require.Less(t, sheets, 12)
}
