//! What changed between two versions of a text, line by line.

use crate::pages::segment::{DiffLine, Mark};

/// Longer texts are shown as wholly replaced: the comparison takes lines · lines steps.
const LINES: usize = 600;

/// The lines of both texts in order: kept, taken out, put in. O(lines · lines).
pub(super) fn diff(old: &str, new: &str) -> Vec<DiffLine> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let line = |mark, text: &str| DiffLine { mark, text: text.to_owned() };
    if old.len() > LINES || new.len() > LINES {
        let out = old.iter().map(|text| line(Mark::Out, text));
        return out.chain(new.iter().map(|text| line(Mark::In, text))).collect();
    }
    // common[i][j]: length of the longest common run of lines of old[i..] and new[j..].
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(line(Mark::Kept, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            lines.push(line(Mark::Out, old[i]));
            i += 1;
        } else {
            lines.push(line(Mark::In, new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::diff;
    use crate::pages::segment::Mark;

    #[test]
    fn a_changed_number_is_one_line_out_and_one_line_in() {
        let lines = diff("a: 1\nwithin: 30d\nz: 2\n", "a: 1\nwithin: 45d\nz: 2\n");
        let marks: Vec<(Mark, &str)> = lines.iter().map(|line| (line.mark, line.text.as_str())).collect();
        let wanted =
            [(Mark::Kept, "a: 1"), (Mark::Out, "within: 30d"), (Mark::In, "within: 45d"), (Mark::Kept, "z: 2")];
        assert_eq!(marks, wanted);
        assert!(diff("", "").is_empty());
        assert_eq!(diff("", "a\nb").len(), 2);
    }
}
