package file

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// newWatcher is fsnotify.NewWatcher, except in tests.
var newWatcher = fsnotify.NewWatcher

// process has the only hub of the process. hub is nil while there are no subscribers.
var process struct {
	sync.Mutex
	hub         *hub
	subscribers int
}

// A hub shares one watcher among subscribers, since the system allows few watchers (F12).
type hub struct {
	watcher *fsnotify.Watcher
	done    chan struct{} // closed when the loop has ended

	mu   sync.Mutex // guards subs and their targets; not locked while the watcher is called
	subs map[*subscriber]struct{}

	// arming guards refs and orders the calls to the watcher. It is a second lock because
	// the watcher, with a lock of its own, may wait for run, which needs mu.
	arming sync.Mutex
	refs   map[string]int // number of targets by watched path
}

// A subscriber is one Notify call.
type subscriber struct {
	hub  *hub
	kick chan struct{} // has a token if there was an event since the last look

	targets []target // guarded by hub.mu
}

// subscribe adds a subscriber to the process's hub. The first subscriber starts the hub.
func subscribe() (*subscriber, error) {
	process.Lock()
	defer process.Unlock()
	if process.hub == nil {
		w, err := newWatcher()
		if err != nil {
			return nil, err
		}
		process.hub = &hub{watcher: w, done: make(chan struct{}), subs: make(map[*subscriber]struct{}), refs: make(map[string]int)}
		go process.hub.run()
	}
	process.subscribers++
	sub := &subscriber{hub: process.hub, kick: make(chan struct{}, 1)}
	sub.hub.mu.Lock()
	defer sub.hub.mu.Unlock()
	sub.hub.subs[sub] = struct{}{}
	return sub, nil
}

// close removes the subscriber from the hub. When close of the last subscriber returns, the
// hub's goroutine and descriptor are gone (F104).
func (s *subscriber) close() {
	process.Lock()
	defer process.Unlock()
	s.hub.mu.Lock()
	delete(s.hub.subs, s)
	s.hub.mu.Unlock()
	s.hub.arming.Lock()
	s.hub.release(paths(s.targets))
	s.hub.arming.Unlock()
	if process.subscribers--; process.subscribers == 0 {
		_ = process.hub.watcher.Close()
		<-process.hub.done
		process.hub = nil
	}
}

// run wakes subscribers. It calls no callback and never blocks on a subscriber (F13).
func (h *hub) run() {
	defer close(h.done)
	for {
		select {
		case event, ok := <-h.watcher.Events:
			if !ok {
				return
			}
			h.dispatch(filepath.Clean(event.Name))
		case _, ok := <-h.watcher.Errors:
			if !ok {
				return
			}
			h.wakeAll() // F11: events were lost, and the watcher does not say for which paths
		}
	}
}

func (h *hub) dispatch(path string) {
	self, entry := target{path, ""}, target{filepath.Dir(path), filepath.Base(path)}
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subs {
		// F25: an event of another entry in the same directory wakes no subscriber.
		if slices.Contains(sub.targets, self) || slices.Contains(sub.targets, entry) {
			sub.wake()
		}
	}
}

func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subs {
		sub.wake()
	}
}

func (s *subscriber) wake() {
	select {
	case s.kick <- struct{}{}:
	default: // the subscriber has not seen the last token yet
	}
}

// watch makes events of targets wake the subscriber, and reports whether targets differ
// from the ones before.
func (s *subscriber) watch(targets []target) (moved bool, err error) {
	h := s.hub
	h.arming.Lock()
	defer h.arming.Unlock()
	h.mu.Lock()
	before := s.targets
	s.targets = targets
	h.mu.Unlock()
	// Add every path, even those that are watched already: the path may lead to another
	// inode by now, which the watcher does not watch yet (F06, F08).
	for _, p := range paths(targets) {
		h.refs[p]++
		if e := h.watcher.Add(p); e != nil && !aboutOnePath(e) {
			err = e
		}
	}
	h.release(paths(before))
	return !slices.Equal(before, targets), err
}

// release drops one reference to each path. The caller has locked arming.
func (h *hub) release(paths []string) {
	for _, p := range paths {
		if h.refs[p]--; h.refs[p] == 0 {
			delete(h.refs, p)
			_ = h.watcher.Remove(p) // it fails if the path no longer exists
		}
	}
}

// paths lists the directories and files to watch for targets, each once.
func paths(targets []target) []string {
	list := make([]string, len(targets))
	for i, t := range targets {
		list[i] = t.dir
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// aboutOnePath reports whether err is about one path and not about the watcher: the path has
// just disappeared, or may not be read. The watches of the paths around it, and polling,
// notice a change all the same.
func aboutOnePath(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
}
