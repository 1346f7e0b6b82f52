package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source/file"
)

// BenchmarkReplacedToRead measures from the moment that a key is replaced to the
// one at which Read has returned the new one, and reports the median and the
// 99th percentile. Nothing but notices leads to a reading.
func BenchmarkReplacedToRead(b *testing.B) {
	b.Run("rename", func(b *testing.B) {
		path := tempFile(b, "v")
		measure(b, file.New(path), func(text string) time.Time {
			write(b, path+".new", text)
			start := time.Now()
			if err := os.Rename(path+".new", path); err != nil {
				b.Fatal(err)
			}
			return start
		})
	})
	b.Run("in_place", func(b *testing.B) {
		path := tempFile(b, "v")
		measure(b, file.New(path), func(text string) time.Time {
			start := time.Now()
			write(b, path, text)
			return start
		})
	})
	for _, keep := range []bool{false, true} {
		b.Run(fmt.Sprintf("kubelet/keep=%v", keep), func(b *testing.B) {
			v := newVolume(b, map[string]string{"key": "v"})
			v.keep = keep
			measure(b, file.New(filepath.Join(v.dir, "key")), func(text string) time.Time {
				v.swap(map[string]string{"key": text})
				return v.switched
			})
		})
	}
	b.Run("kubelet/bundle", func(b *testing.B) {
		v := newVolume(b, bundle(0))
		measure(b, file.Dir(v.dir), func(text string) time.Time {
			v.swap(map[string]string{"api-key": "id-" + text, "api-secret": text})
			return v.switched
		})
	})
}

func measure(b *testing.B, src *file.Source, replace func(text string) time.Time) {
	changed := watching(b, src)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		text := fmt.Sprintf("sentinel-v%d", i)
		start := make(chan time.Time, 1)
		go func() { start <- replace(text) }()
		// The reader runs beside the writer, as in life.
		for read := false; !read; {
			<-changed
			set, err := src.Read(b.Context())
			read = err == nil && set.Keys[0].Secret.Expose() == text
		}
		end := time.Now()
		took = append(took, end.Sub(<-start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
