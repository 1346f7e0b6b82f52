module github.com/rollingkeys/rollingkeys

go 1.26
