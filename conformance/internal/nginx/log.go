package nginx

import (
	"bufio"
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

// Log returns nginx's log by the request's X-Request-Id. It is written once the
// answer is out. There is none of a server that has an upstream.
func (n *Server) Log() (map[string][]Line, error) {
	f, err := os.Open(filepath.Join(n.dir, "access.log"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	log := make(map[string][]Line)
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		fields := strings.Fields(scan.Text())
		if len(fields) != 3 {
			return nil, fmt.Errorf("a line of %d fields in nginx's log", len(fields))
		}
		status, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, fmt.Errorf("a status that is none in nginx's log: %w", err)
		}
		log[fields[0]] = append(log[fields[0]], Line{strings.Trim(fields[1], `"`), status})
	}
	return log, scan.Err()
}
