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

// newWatcher is fsnotify's but in tests.
var newWatcher = fsnotify.NewWatcher

// process holds the one hub of the process, while anybody subscribes.
var process struct {
	sync.Mutex
	hub         *hub
	subscribers int
}

// A hub shares one watcher among subscribers: the system has few to give (F12).
type hub struct {
	watcher *fsnotify.Watcher
	done    chan struct{} // closed when the loop has ended

	mu   sync.Mutex // guards subs and their targets; never held over a call of the watcher
	subs map[*subscriber]struct{}

	// arming guards refs and orders calls of the watcher. It is another lock than
	// mu, because the watcher may wait for run with a lock of its own held.
	arming sync.Mutex
	refs   map[string]int // by watched path
}

// A subscriber is one Notify call.
type subscriber struct {
	hub  *hub
	kick chan struct{} // holds a token while there is something to look at

	targets []target // guarded by hub.mu
}

// subscribe joins the process's hub, and starts it for the first.
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

// close leaves the hub. With the last subscriber the hub's goroutine and
// descriptor are gone when it returns (F104).
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

// run wakes subscribers. It calls nobody's code and waits for nobody (F13).
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
			h.wakeAll() // F11: events were lost, anybody's
		}
	}
}

func (h *hub) dispatch(path string) {
	self, entry := target{path, ""}, target{filepath.Dir(path), filepath.Base(path)}
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subs {
		// F25: other entries of the directory are nobody's business.
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
	default: // it has not looked since the last one
	}
}

// watch makes targets what the subscriber is woken for, and reports whether
// they were others before.
func (s *subscriber) watch(targets []target) (moved bool, err error) {
	h := s.hub
	h.arming.Lock()
	defer h.arming.Unlock()
	h.mu.Lock()
	before := s.targets
	s.targets = targets
	h.mu.Unlock()
	// Every path anew, not only those that were not watched: the name may stand
	// for another inode by now, of which the watcher knows nothing (F06, F08).
	for _, p := range paths(targets) {
		h.refs[p]++
		if e := h.watcher.Add(p); e != nil && !passing(e) {
			err = e
		}
	}
	h.release(paths(before))
	return !slices.Equal(before, targets), err
}

// release gives up one reference to each path. The caller holds arming.
func (h *hub) release(paths []string) {
	for _, p := range paths {
		if h.refs[p]--; h.refs[p] == 0 {
			delete(h.refs, p)
			_ = h.watcher.Remove(p) // not there any more: nothing to remove
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

// passing reports whether a path cannot be watched for a reason of its own, not
// the watcher's: it has just gone, or it may not be read. The paths around it
// and polling do for it.
func passing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
}
