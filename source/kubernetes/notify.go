package kubernetes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/rollingkeys/rollingkeys/source"
)

// Notify watches the Secret, and calls changed when the Secret was created, changed or
// deleted: see [source.Notifier]. Its errors are those of Read.
func (s *Source) Notify(ctx context.Context, changed func()) error {
	return s.base.Notify(ctx, func(ctx context.Context, client typedcorev1.SecretsGetter) error {
		return s.watch(ctx, client, changed)
	})
}

func (s *Source) watch(ctx context.Context, client typedcorev1.SecretsGetter, changed func()) error {
	version := ""
	for ctx.Err() == nil {
		started := time.Now()
		next, err := s.watchFrom(ctx, client, version, changed)
		switch {
		case version != "" && (apierrors.IsGone(err) || apierrors.IsResourceExpired(err)):
			next = "" // begin a new watch, and read
		case err != nil:
			return err
		case next == version && time.Since(started) < time.Second:
			// Avoid a busy loop with a server that ends every watch at once.
			return fmt.Errorf("%w: the watch ended at once", source.ErrUnavailable)
		}
		version = next
	}
	return nil
}

// watchFrom watches from version on, or from now on if version is empty, until the server
// ends the watch. It returns the version from which to continue.
func (s *Source) watchFrom(ctx context.Context, client typedcorev1.SecretsGetter, version string, changed func()) (string, error) {
	seconds := int64(5*60 + rand.IntN(5*60)) // as in client-go, so that not all watches end at the same time
	w, err := client.Secrets(s.namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, s.name).String(),
		ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return version, err
	}
	defer w.Stop()
	if version == "" {
		changed() // F14: not before the watch has begun
	}
	for {
		select {
		case event, ok := <-w.ResultChan():
			if !ok {
				return version, nil
			}
			if event.Type == watch.Error {
				return version, apierrors.FromObject(event.Object)
			}
			if object, err := meta.Accessor(event.Object); err == nil {
				version = object.GetResourceVersion()
			}
			if event.Type != watch.Bookmark {
				changed()
			}
		case <-ctx.Done():
			return version, nil
		}
	}
}
