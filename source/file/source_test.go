package file_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

func wantUnreadable(t *testing.T, src source.Source) {
	t.Helper()
	wantError(t, src, source.ErrUnavailable)
}

// F04, F05: a writer truncates the file, writes half of the key, waits and writes the rest.
func TestNeverServesHalfWrittenFile(t *testing.T) {
	path := tempFile(t, "old-old-old")
	src := file.New(path)
	wantSecret(t, src, "old-old-old")
	changed := watching(t, src)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // the writer
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			f, err := os.Create(path)
			if err != nil {
				t.Error(err)
				return
			}
			text := []string{"new-new-new", "old-old-old"}[i%2]
			_, _ = f.WriteString(text[:4])
			for range 1000 {
				_, _ = f.Seek(0, 1) // spend some time in system calls
			}
			_, _ = f.WriteString(text[4:])
			_ = f.Close()
			for range 1000 {
				_, _ = os.Lstat(path)
			}
		}
	})
	saw := make(map[string]int)
	for len(saw) < 2 || saw["new-new-new"] < 20 {
		set, err := src.Read(t.Context())
		if err != nil {
			// The source tried for 1 s and found a writer each time.
			if !errors.Is(err, source.ErrUnavailable) {
				t.Error(err)
				break
			}
			continue
		}
		got := set.Keys[0].Secret.Expose()
		saw[got]++
		if got != "new-new-new" && got != "old-old-old" {
			t.Errorf("read %q", got)
			break
		}
	}
	close(stop)
	wg.Wait()
	replace(t, path, "end")
	served(t, src, changed, "end", "new-new-new", "old-old-old")
}

// F04, F05: while a writer has the file open, the source returns no new key, however long
// the writer takes. When the writer closes the file, the source returns the key.
func TestWaitsForWriterToClose(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	wantSecret(t, src, "sentinel-v1")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src.SetPatience(10 * time.Millisecond)
	wantError(t, src, source.ErrUnavailable)
	_, _ = f.WriteString("sentinel-v2-")
	wantError(t, src, source.ErrUnavailable, "sentinel-v2-")
	_, _ = f.WriteString("whole")

	src.SetPatience(time.Minute)
	got := make(chan string)
	go func() {
		set, err := src.Read(t.Context())
		if err != nil {
			t.Error(err)
			close(got)
			return
		}
		got <- set.Keys[0].Secret.Expose()
	}()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "sentinel-v2-whole" {
		t.Fatalf("read %q", text)
	}
}

// F04: an empty or blank file is never a key.
func TestRefusesBlank(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	wantSecret(t, src, "sentinel-v1")
	for _, blank := range []string{"", " ", "\n", "\r\n\t ", "\xef\xbb\xbf\n"} {
		write(t, path, blank)
		wantError(t, src, source.ErrInvalid)
	}
	write(t, path, "sentinel-v2\n")
	wantSecret(t, src, "sentinel-v2")
}

// F15: the new content has the same size and modification time as the old.
func TestSeesChangeByContent(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	then := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	stamp := func() {
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	stamp()
	src := file.New(path)
	wantSecret(t, src, "sentinel-v1")
	write(t, path, "sentinel-v2")
	stamp()
	wantSecret(t, src, "sentinel-v2")
}

// F16: a key that is written again is the same key, with the same CreatedAt.
func TestSameContentIsSameKey(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	src := file.New(path)
	first := read(t, src)
	if info, err := os.Stat(path); err != nil || !first.CreatedAt.Equal(info.ModTime()) {
		t.Fatalf("created at %v, want the modification time %v", first.CreatedAt, info.ModTime())
	}
	for i := range 100 {
		replace(t, path, "sentinel-v1")
		later := time.Now().Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		if again := read(t, src); !again.SameContent(first) || !again.CreatedAt.Equal(first.CreatedAt) || again.Version != "" {
			t.Fatalf("rewrite %d: %+v, want %+v", i, again, first)
		}
	}
}

// F17, F20, F21, F22: a file that contains no key is a typed error at once, and the source
// reads the next valid file.
func TestRefusesAndRecovers(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want error
	}{
		"missing":   {func(t *testing.T, path string) {}, source.ErrNoKey},
		"directory": {func(t *testing.T, path string) { mkdir(t, path) }, source.ErrInvalid},
		"fifo": {func(t *testing.T, path string) {
			if err := exec.CommandContext(t.Context(), "mkfifo", path).Run(); err != nil {
				t.Fatal(err)
			}
		}, source.ErrInvalid},
		"socket": {func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, source.ErrInvalid},
		"endless device": {func(t *testing.T, path string) {
			if err := os.Symlink("/dev/zero", path); err != nil {
				t.Fatal(err)
			}
		}, source.ErrInvalid},
		"sparse GiB": {func(t *testing.T, path string) {
			write(t, path, "x")
			if err := os.Truncate(path, 1<<30); err != nil {
				t.Fatal(err)
			}
		}, source.ErrInvalid},
		"one byte too long": {func(t *testing.T, path string) {
			write(t, path, strings.Repeat("s", 64<<10+1))
		}, source.ErrInvalid},
		"parent is a file": {func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "x")
			t.Cleanup(func() { _ = os.Remove(dir) })
		}, source.ErrUnavailable},
		"header injection": {func(t *testing.T, path string) { write(t, path, "sentinel\r\nX-Evil: 1") }, source.ErrInvalid}, // F19
		"HTML":             {func(t *testing.T, path string) { write(t, path, "<html>sentinel</html>") }, source.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			mkdir(t, dir)
			path := filepath.Join(dir, "key")
			src := file.New(path)
			c.make(t, path)
			wantError(t, src, c.want, "sentinel", "Evil") // before the first key
			_ = os.RemoveAll(dir)
			mkdir(t, dir)
			write(t, path, "sentinel-v1")
			wantSecret(t, src, "sentinel-v1")
			_ = os.RemoveAll(path)
			c.make(t, path)
			wantError(t, src, c.want, "sentinel", "Evil") // after the first key
			_ = os.RemoveAll(dir)
			mkdir(t, dir)
			write(t, path, "sentinel-v2")
			wantSecret(t, src, "sentinel-v2")
		})
	}
}

// F21: a key of the greatest length is read in full. TestRefusesAndRecovers has a key with
// one byte more.
func TestReadsTheLongestKey(t *testing.T) {
	longest := strings.Repeat("s", 64<<10) // the documentation says 64 KiB, so the test does not use the constant
	wantSecret(t, file.New(tempFile(t, longest)), longest)
}

// F18
func TestTrims(t *testing.T) {
	for _, text := range []string{"sentinel-v1", "sentinel-v1\n", "sentinel-v1\r\n", "\xef\xbb\xbfsentinel-v1\n", " sentinel-v1\t", "\n\nsentinel-v1\n\n"} {
		wantSecret(t, file.New(tempFile(t, text)), "sentinel-v1")
	}
}

// F24
func TestPermissions(t *testing.T) {
	for _, c := range []struct {
		mode          os.FileMode
		warns, strict bool
	}{
		{0o400, false, false}, {0o600, false, false}, {0o440, false, false}, {0o640, false, false},
		{0o444, false, true}, {0o644, false, true}, // the kubelet's default causes no warning
		{0o620, true, true}, {0o660, true, true}, {0o602, true, true}, {0o666, true, true},
	} {
		t.Run(fmt.Sprintf("%#o", c.mode), func(t *testing.T) {
			path := tempFile(t, "sentinel-v1")
			link := path + ".link"
			if err := errors.Join(os.Chmod(path, c.mode), os.Symlink(path, link)); err != nil {
				t.Fatal(err)
			}
			src := file.New(link)
			for range 2 {
				set, err := src.Read(t.Context())
				if err != nil || len(set.Warnings) > 0 != c.warns {
					t.Fatalf("warnings %v, error %v; want warnings: %v", set.Warnings, err, c.warns)
				}
			}
			strict := file.New(link, file.WithStrictPermissions())
			if _, err := strict.Read(t.Context()); (err != nil) != c.strict || err != nil && !errors.Is(err, source.ErrInvalid) {
				t.Fatalf("strict: %v; want an error: %v", err, c.strict)
			}
			if err := os.Chmod(path, 0o400); err != nil {
				t.Fatal(err)
			}
			wantSecret(t, strict, "sentinel-v1")
		})
	}
}

// F106: the caller's context ends the wait for a writer.
func TestReadHonoursContext(t *testing.T) {
	path := tempFile(t, "sentinel-v1")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src := file.New(path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Read(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, source.ErrUnavailable) {
		t.Fatalf("error %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := src.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v", err)
	}
}

// F106: a file system that hangs delays neither the caller nor the next one, and blocks one
// goroutine only.
func TestHungFileSystem(t *testing.T) {
	src := file.New(tempFile(t, "sentinel-v1"))
	hung, entered := make(chan struct{}), make(chan struct{}, 10)
	src.OnRead(func(string) { entered <- struct{}{}; <-hung })
	for i := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := src.Read(ctx); done <- err }()
		if i == 0 {
			<-entered
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
	}
	if n := len(entered); n != 0 {
		t.Fatalf("%d more readings began", n)
	}
	close(hung)
	wantSecret(t, src, "sentinel-v1")
}

// F03: the ring recovers without a notification too.
func TestAsksToBePolled(t *testing.T) {
	set, err := file.New(tempFile(t, "sentinel-v1")).Read(t.Context())
	if err != nil || set.FreshFor != 5*time.Second || set.Complete {
		t.Fatalf("%+v, %v", set, err)
	}
}

// F93, F95: no way of printing the source shows what it has read.
func TestPrintsNoSecret(t *testing.T) {
	src := file.New(tempFile(t, "sentinel"))
	wantSecret(t, src, "sentinel")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if out := fmt.Sprintf(verb, src) + fmt.Sprintf(verb, *src) + fmt.Sprintf(verb, struct{ s any }{src}); strings.Contains(out, "sentinel") {
			t.Errorf("%s prints %s", verb, out)
		}
	}
}
