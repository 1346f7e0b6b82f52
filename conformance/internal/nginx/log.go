package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Line is what nginx noted of one attempt: the key's version, empty where it
// was none of the map's, and the status of the answer.
type Line struct {
	Version string
	Status  int
}

// Log returns nginx's log by the request's X-Request-Id. A line is written after its
// answer was sent, and where nginx closes the connection, after the client has closed
// it: the log is whole after [Server.Quit]. There is none of a server that has an
// upstream.
func (n *Server) Log() (map[string][]Line, error) {
	data, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
	if err != nil {
		return nil, err
	}
	log := make(map[string][]Line)
	for text := range strings.Lines(string(data)) {
		if !strings.HasSuffix(text, "\n") {
			break // nginx is writing it
		}
		fields := strings.Fields(text)
		if len(fields) != 3 {
			return nil, fmt.Errorf("a line of %d fields in nginx's log", len(fields))
		}
		status, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, fmt.Errorf("a status that is none in nginx's log: %w", err)
		}
		log[fields[0]] = append(log[fields[0]], Line{strings.Trim(fields[1], `"`), status})
	}
	return log, nil
}
