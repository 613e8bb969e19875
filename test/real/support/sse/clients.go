// As clients.py, by net/http.
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"regexp"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil || answer.StatusCode != 200 {
		panic(fmt.Sprint(answer, err))
	}
	fmt.Println("open")
	number := regexp.MustCompile(`^data: .*"n":(\d+)`)
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if found := number.FindStringSubmatch(lines.Text()); found != nil {
			fmt.Println(found[1])
		}
	}
}
