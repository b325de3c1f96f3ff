# Roman numerals, both ways.

BEGIN {
    count = split("1000 900 500 400 100 90 50 40 10 9 5 4 1", value, " ")
    split("M CM D CD C XC L XL X IX V IV I", sign, " ")
    split("I V X L C D M", letter, " ")
    split("1 5 10 50 100 500 1000", worth, " ")
    for (i = 1; i <= 7; i++)
        letter_worth[letter[i]] = worth[i]
}

function to_roman(n,    i, out) {
    for (i = 1; i <= count; i++)
        while (n >= value[i]) {
            out = out sign[i]
            n -= value[i]
        }
    return out
}

function from_roman(text,    i, here, next_one, sum) {
    for (i = 1; i <= length(text); i++) {
        here = letter_worth[substr(text, i, 1)]
        next_one = letter_worth[substr(text, i + 1, 1)]
        # A sign before a greater one is subtracted.
        if (here < next_one)
            sum -= here
        else
            sum += here
    }
    return sum
}

/^[0-9]+$/     { print to_roman($0); next }
/^[IVXLCDM]+$/ { print from_roman($0); next }
               { print "roman: not a number: " $0 > "/dev/stderr"; bad = 1 }
END            { exit bad }
