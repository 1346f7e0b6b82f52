package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Line is a line of nginx's log: the version of the accepted key, empty for a
// refusal, and the status of the response.
type Line struct {
	Version string
	Status  int
}

// Log returns the lines of nginx's log by the requests' X-Request-Id. nginx writes a
// line after it has sent the response and, if it closes the connection, after the
// client has closed it too. The log is complete after [Server.Quit]. A server with an
// upstream has no log; Log then returns an error.
func (n *Server) Log() (map[string][]Line, error) {
	data, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
	if err != nil {
		return nil, err
	}
	log := make(map[string][]Line)
	for text := range strings.Lines(string(data)) {
		if !strings.HasSuffix(text, "\n") {
			break // nginx is still writing this line
		}
		fields := strings.Fields(text)
		if len(fields) != 3 {
			return nil, fmt.Errorf("nginx's log has a line of %d fields, want 3", len(fields))
		}
		status, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, fmt.Errorf("nginx's log has an invalid status: %w", err)
		}
		log[fields[0]] = append(log[fields[0]], Line{strings.Trim(fields[1], `"`), status})
	}
	return log, nil
}
