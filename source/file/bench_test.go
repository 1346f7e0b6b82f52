package file_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// BenchmarkReplacedToRequest measures the time from the replacement of a key to the first
// request that carries the new key, while requests are sent one after the other. It reports
// the median and the 99th percentile, the number of keys that no request carried, and the
// number of requests with a key that was never written. The ring does not poll: only
// notifications cause readings.
func BenchmarkReplacedToRequest(b *testing.B) {
	const token = ":%s"
	b.Run("rename", func(b *testing.B) {
		path := tempFile(b, "sentinel-v")
		measure(b, file.New(path), token, func(text string) time.Time {
			write(b, path+".new", text)
			start := time.Now()
			if err := os.Rename(path+".new", path); err != nil {
				b.Error(err)
			}
			return start
		})
	})
	b.Run("in_place", func(b *testing.B) {
		path := tempFile(b, "sentinel-v")
		measure(b, file.New(path), token, func(text string) time.Time {
			f, err := os.Create(path)
			if err != nil {
				b.Error(err)
				return time.Now()
			}
			_, err = io.WriteString(f, text[:len(text)/2])
			time.Sleep(time.Millisecond) // in this time half of the key can be read
			start := time.Now()
			_, rest := io.WriteString(f, text[len(text)/2:])
			if err := errors.Join(err, rest, f.Close()); err != nil {
				b.Error(err)
			}
			return start
		})
	})
	for _, keep := range []bool{false, true} {
		b.Run(fmt.Sprintf("kubelet/keep=%v", keep), func(b *testing.B) {
			v := newVolume(b, map[string]string{"key": "sentinel-v"})
			v.keep = keep
			measure(b, file.New(filepath.Join(v.dir, "key")), token, func(text string) time.Time {
				v.swap(map[string]string{"key": text})
				return v.switched
			})
		})
	}
	b.Run("kubelet/bundle", func(b *testing.B) {
		v := newVolume(b, map[string]string{"api-key": "id-sentinel-v", "api-secret": "sentinel-v"})
		measure(b, file.Dir(v.dir), "id-%[1]s:%[1]s", func(text string) time.Time {
			v.swap(map[string]string{"api-key": "id-" + text, "api-secret": text})
			return v.switched
		})
	})
}

func measure(b *testing.B, src source.Source, form string, replace func(text string) time.Time) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		w.Header().Set("Carried", id+":"+secret)
	}))
	defer srv.Close()
	keys, err := ring.Keep(b.Context(), src, ring.WithPoll(time.Hour), ring.WithLogger(nil))
	if err != nil {
		b.Fatal(err)
	}
	defer keys.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: transport.New(keys, transport.Basic(), transport.WithBase(base), transport.WithOrigin(srv.URL))}
	var took []time.Duration
	missed, torn := 0, 0
	written := map[string]bool{fmt.Sprintf(form, "sentinel-v"): true}
	for i := 0; b.Loop(); i++ {
		time.Sleep(5 * time.Millisecond) // the ring limits how often notifications cause readings
		text := fmt.Sprintf("sentinel-%[1]d-sentinel-%[1]d", i)
		after := fmt.Sprintf(form, text)
		written[after] = true
		start := make(chan time.Time, 1)
		go func() { start <- replace(text) }() // concurrently with the requests
		for carried, end := "", time.Now().Add(limit); carried != after; {
			if time.Now().After(end) {
				missed++
				break
			}
			resp, err := client.Get(srv.URL)
			if err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
			if carried = resp.Header.Get("Carried"); !written[carried] {
				torn++
			}
		}
		end := time.Now()
		took = append(took, end.Sub(<-start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(float64(missed), "missed")
	b.ReportMetric(float64(torn), "torn")
}
